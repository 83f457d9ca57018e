"""What an erasure has set out to do, on the disk before anything goes, so that whoever comes next completes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.errors import StoreError
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import Wanted
from cu_pipeline.erasure.pseudonyms import Pseudonyms
from cu_pipeline.tracking.run_lock import ERASURE


@dataclass
class Journal:
    """The one file that holds plain names while an erasure is under way; it goes when nothing else holds them.

    Attributes:
        wanted: what is to be erased.
        reason: why, for the tombstone.
        models: what learned from it, a line each for people.
        runs: MLflow's run or model -> the artifacts of it that are changed.
        unrepeatable: runs that read or wrote a version of the data that goes.
        retrain: whether the models are to be trained again afterwards.
    """

    wanted: Wanted
    reason: str = ""
    models: list[str] = field(default_factory=list)
    runs: dict[str, list[str]] = field(default_factory=dict)
    unrepeatable: list[str] = field(default_factory=list)
    retrain: bool = False

    def write(self, root: Path) -> None:
        """Put it on the disk, for its owner alone."""
        record = {
            "identities": self.wanted.identities.as_json(),
            "key": self.wanted.pseudonyms.key,
            **{name: getattr(self, name) for name in _PLAIN},
        }
        with atomic_path(root / ERASURE, mode=0o600) as temporary:
            temporary.write_text(json.dumps(record), encoding="utf-8")

    @classmethod
    def read(cls, root: Path) -> "Journal | None":
        """Read the journal of an erasure that did not come to its end; None where there is none.

        Raises:
            StoreError: it is damaged.
        """
        path = root / ERASURE
        if not path.is_file():
            return None
        try:
            record: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            wanted = Wanted(Identities.from_json(record["identities"]), Pseudonyms(record["key"]))
            return cls(wanted, **{name: record[name] for name in _PLAIN})
        except (ValueError, LookupError, TypeError) as error:
            raise StoreError(
                f"{path} is damaged ({error!r}): delete it, and give the same clips and creators once more"
            ) from error

    def close(self, root: Path) -> None:
        """Let go of the names: all is done."""
        (root / ERASURE).unlink(missing_ok=True)


_PLAIN = ("reason", "models", "runs", "unrepeatable", "retrain")

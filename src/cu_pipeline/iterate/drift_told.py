"""What `drift.json` tells the loop, whichever version wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cu_pipeline.core.errors import StoreError

UNKNOWN: Final = "unknown"
UPSTREAM_FAULT: Final = "upstream_fault"
NEW_TOPIC: Final = "new_topic"

_MOST_WORDS: Final = 3


@dataclass(frozen=True)
class ToldCause:
    """Why traffic differs.

    Attributes:
        kind: `upstream_fault`, `mix`, `new_style`, `new_topic`, `reuploads`, `new_language`, `client` or `unknown`.
        in_words: for people.
        since: when it began, as far as that is known.
        share: of the window's clips.
        request_ids: of typical clips.
        trains: whether new labels and a new model can be the answer.
    """

    kind: str
    in_words: str
    since: datetime | None = None
    share: float = 1.0
    request_ids: tuple[str, ...] = ()
    trains: bool = True


@dataclass(frozen=True)
class DriftTold:
    """The monitor's decision.

    Attributes:
        decision: `drift`, `no_drift` or `not_enough_data`.
        reason: of it, where there is one.
        summary: in words.
        notices: what must be said before any all-clear.
        causes: of a drift, the strongest first; never empty where there is one.
        look: what names the data that were looked at: the same look again is no news.
        accuracy: capability -> estimated accuracy of the served model, of estimates that can be trusted.
    """

    decision: str
    reason: str = ""
    summary: str = ""
    notices: tuple[str, ...] = ()
    causes: tuple[ToldCause, ...] = ()
    look: str = ""
    accuracy: Mapping[str, float] | None = None

    @property
    def drifted(self) -> bool:
        """Whether traffic differs from what the models learned from."""
        return self.decision == "drift"


def read_drift(record: Mapping[str, Any]) -> DriftTold:
    """Read the `drift` dataset.

    A report without causes, of an earlier version or of a drift that nobody can explain, has one of the kind `unknown`.

    Raises:
        StoreError: it is no such report.
    """
    try:
        drifted = record["decision"] == "drift"
        told = [_cause(one) for one in record.get("causes", ())]
        look = record.get("look") or {}
        quality = record.get("quality") or {}
        return DriftTold(
            decision=str(record["decision"]),
            reason=str(record.get("reason") or ""),
            summary=str(record.get("summary", "")),
            notices=tuple(map(str, record.get("notices", ()))),
            causes=tuple(told or [_unexplained(record)]) if drifted else (),
            look=str(look.get("id") or record.get("inputs_sha256", "")),
            accuracy={name: float(one["accuracy"]) for name, one in quality.items() if one.get("trusted")},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"drift.json is no report of this version ({error!r}). Remedy: kedro run --pipelines=monitor"
        ) from error


def _cause(record: Mapping[str, Any]) -> ToldCause:
    since = record.get("since")
    return ToldCause(
        kind=str(record["kind"]),
        in_words=str(record.get("in_words", record["kind"])),
        since=datetime.fromisoformat(since) if since else None,
        share=float(record.get("share") or 0.0),
        request_ids=tuple(map(str, record.get("request_ids", ()))),
        trains=bool(record.get("trains", True)),
    )


def _unexplained(record: Mapping[str, Any]) -> ToldCause:
    names = [str(one.get("name", "")) for one in record.get("tests", ()) if one.get("drifted")]
    rest = f" and {len(names) - _MOST_WORDS} more" if len(names) > _MOST_WORDS else ""
    return ToldCause(UNKNOWN, f"drift without a named cause: {', '.join(names[:_MOST_WORDS]) or 'no test named'}{rest}")

"""Champions, and tests of models, that `dvc.lock` records but nobody fetched.

Without the champions the gate would take any model for the first, without the tests it would take test clips for fresh.
"""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking import dvc_lock
from cu_pipeline.tracking.catalog_files import CatalogFile

_CHAMPIONS: Final = "champions"
_LEDGER: Final = "promotions"
_ACCOUNT: Final = "gate_tests"

_log = logging.getLogger(__name__)


def check_champions(root: Path, used: Collection[str], files: Mapping[str, CatalogFile]) -> None:
    """Stop a run that would choose champions in ignorance of those that serve, and warn any other.

    An empty folder and an empty ledger are an answer, too: who makes them says that there are no champions.

    Args:
        root: the project's folder.
        used: datasets that the run's nodes read or write; who uses the ledger of promotions chooses champions.
        files: of the catalog.

    Raises:
        ConfigurationError: the run chooses champions, and they, their ledger or the gate's tests are recorded but not
            there.
    """
    if not {_CHAMPIONS, _LEDGER} <= files.keys():
        return
    kept = [files[name].path for name in (_CHAMPIONS, _LEDGER, _ACCOUNT) if name in files]
    unpulled = dvc_lock.unpulled(root, kept)
    if not unpulled:
        return
    problem = f"dvc.lock records models that serve, but they were not fetched ({', '.join(unpulled)})"
    remedy = f"Remedy: `dvc pull {' '.join(unpulled)}`"
    if files[_LEDGER].path not in {files[name].path for name in used if name in files}:
        _log.warning("%s: evaluate and deliver stop without them. %s", problem, remedy)
        return
    logs = [files[_LEDGER].path, *(path for path in kept[2:] if path in unpulled)]
    anew = f"`mkdir -p {files[_CHAMPIONS].path} && touch {' '.join(logs)}`"
    raise ConfigurationError(
        [
            f"{problem}: any model, however bad, would take their place unseen",
            remedy,
            f"where they are lost for good: {anew} says that none serves, and the next models are the first",
        ]
    )

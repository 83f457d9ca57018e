"""Artifacts on this machine: those of the same content are kept once, under the name of each run that logged them."""

import filecmp
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from mlflow.entities import Run

_READ_ONLY: Final = 0o444
_logger = logging.getLogger(__name__)


def artifact_folder(run: "Run") -> Path | None:
    """Find the folder of a run's artifacts; None where they lie on a server, or there are none."""
    address = urlparse(run.info.artifact_uri or "")
    folder = Path(unquote(address.path))
    return folder if address.scheme == "file" and folder.is_dir() else None


def share_artifacts(run: "Run") -> int:
    """Replace a run's artifacts that an earlier run has too by hard links to its files, which become read-only.

    A run in which nothing changed logs the same pages again; so they take no further space. The removal of one run
    leaves the files of the others.

    Args:
        run: one of MLflow's that logs nothing more.

    Returns:
        How many files take no space of their own now.
    """
    folder = artifact_folder(run)
    if folder is None:
        return 0
    own = folder.parent
    others = [path for path in own.parent.iterdir() if path.is_dir() and path != own]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    shared = 0
    for path in sorted(found for found in folder.rglob("*") if found.is_file()):
        twins = (other / path.relative_to(own) for other in others)
        twin = next((twin for twin in twins if twin.is_file()), None)
        try:
            shared += twin is not None and _share(path, twin)
        except OSError as error:  # such as a file system without hard links
            _logger.debug("%s keeps its own content: %s", path, error)
    return shared


def _share(path: Path, twin: Path) -> bool:
    if path.samefile(twin) or not filecmp.cmp(path, twin, shallow=False):
        return False
    temporary = path.with_name(f".{path.name}.link")
    temporary.unlink(missing_ok=True)
    os.link(twin, temporary)
    temporary.chmod(_READ_ONLY)
    temporary.replace(path)
    return True

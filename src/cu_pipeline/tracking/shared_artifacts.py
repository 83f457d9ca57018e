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
    folder = local_path(run.info.artifact_uri)
    return folder if folder and folder.is_dir() else None


def local_path(uri: str | None) -> Path | None:
    """Find what an address of artifacts names on this machine, whether or not it is there; None for one elsewhere."""
    address = urlparse(uri or "")
    return Path(unquote(address.path)) if address.scheme == "file" else None


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
        shared += twin is not None and _share(path, twin)
    return shared


def link(twin: Path, target: Path) -> bool:
    """Put a file that is stored already under another name too; it becomes read-only.

    Args:
        twin: the file that is stored.
        target: the other name, which is replaced where it is there.

    Returns:
        False where the file system has no hard links.
    """
    temporary = target.with_name(f".{target.name}.link")
    temporary.unlink(missing_ok=True)
    try:
        os.link(twin, temporary)
        temporary.chmod(_READ_ONLY)
        temporary.replace(target)
    except OSError as error:
        _logger.debug("%s keeps its own content: %s", target, error)
        return False
    return True


def _share(path: Path, twin: Path) -> bool:
    return not path.samefile(twin) and filecmp.cmp(path, twin, shallow=False) and link(twin, path)

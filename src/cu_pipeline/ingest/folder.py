"""Clips in folders named after their classes, as UCF101, HMDB51 and Kinetics are laid out."""

import logging
import os
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.ingest.manifest import PROBLEM
from cu_pipeline.media.options import Limits

SUFFIXES: Final = (
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
"""Endings of media files; other files are left out."""

_UCF: Final = re.compile(r"v_(?P<source>.+_g\d+)_c\d+")
_log = logging.getLogger(__name__)


def read_folder(place: str, limits: Limits) -> pd.DataFrame:  # noqa: ARG001 - Feed
    """Read a folder laid out as `CLASS/clip.mp4`, at any depth below `CLASS`; links to folders are followed.

    A clip is called by its path in the folder, and its class is a label of the first capability. A name such as
    UCF101's `v_Archery_g01_c03` also tells the video that the clip was cut from; it stands as the creator, so that
    clips of one video stay in one split.

    Args:
        place: a local folder, seen from the project's root.
        limits: unused.

    Raises:
        ManifestError: there is no such folder, or no media file below a folder in it.
    """
    folder = from_stored(str(Path(place).expanduser()))
    if not place or not folder.is_dir():
        remedy = "Remedy: name a folder laid out as CLASS/clip.mp4, as in `folder:data/ucf101`"
        raise ManifestError(f"folder {place!r} is not there. {remedy}")
    seen = sorted(files_in(folder))
    media = [path for path in seen if path.suffix.lower() in SUFFIXES and len(path.parts) > 1]
    if len(seen) > len(media):
        _log.warning("%d files of %s are left out: no media, or in no class's folder", len(seen) - len(media), place)
    if not media:
        remedy = f"Remedy: lay it out as CLASS/clip.mp4; endings: {', '.join(SUFFIXES)}"
        raise ManifestError(f"folder {place!r} holds no media file below a class's folder. {remedy}")
    rows = [
        {
            "clip_id": path.as_posix(),
            "path": to_stored(folder / path),
            "text": "",
            "label": path.parts[0],
            "creator": match["source"] if (match := _UCF.fullmatch(path.stem)) else "",
            PROBLEM: "",
        }
        for path in media
    ]
    return pd.DataFrame(rows, dtype="object")


def files_in(root: Path) -> Iterator[Path]:
    """List the files in a folder, without those that are hidden, as paths in it.

    Links to folders are followed once all that is really there is listed. A folder is listed once, whatever leads to
    it; none that holds `root` is listed, since that would make classes of its neighbours.
    """
    listed = {_identity(place) for place in root.resolve().parents}
    waiting, links = deque([root]), deque[Path]()
    while waiting or links:
        folder = waiting.popleft() if waiting else links.popleft()
        if (identity := _identity(folder)) in listed:
            _log.warning("%s is left out: it leads to a folder that is read already, or that holds this one", folder)
            continue
        listed.add(identity)
        for entry in _entries(folder):
            if _is_folder(entry):
                (links if entry.is_symlink() else waiting).append(Path(entry.path))
            else:
                yield Path(entry.path).relative_to(root)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """List what is in a folder and not hidden; a link that leads nowhere counts as a file, which is then refused."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        _log.warning("%s is left out: %s", folder, error.strerror)
        return []


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino

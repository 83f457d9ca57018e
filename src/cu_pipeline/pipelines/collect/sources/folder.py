"""Clips in folders named after their classes, as UCF101, HMDB51 and Kinetics are laid out."""

import logging
import re
from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored, to_stored
from cu_pipeline.pipelines.collect.formats import PROBLEM
from cu_pipeline.pipelines.collect.options import CollectOptions

SUFFIXES: Final = (
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg"),
    *(".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
"""Endings of media files; other files are left out."""

_UCF: Final = re.compile(r"v_(?P<source>.+_g\d+)_c\d+")
_log = logging.getLogger(__name__)


def read_folder(place: str, options: CollectOptions, mapper: Mapper) -> pd.DataFrame:  # noqa: ARG001 - Source
    """Read a folder laid out as `CLASS/clip.mp4`, at any depth below `CLASS`.

    A clip is called by its path in the folder, and its class is a label of the first capability. A name such as
    UCF101's `v_Archery_g01_c03` also tells the video that the clip was cut from; it stands as the creator, so that
    clips of one video stay in one split.

    Args:
        place: a local folder, seen from the project's root.
        options: unused.
        mapper: unused.

    Raises:
        ManifestError: there is no such folder, or no media file below a folder in it.
    """
    folder = from_stored(str(Path(place).expanduser()))
    if not place or not folder.is_dir():
        remedy = "Remedy: name a folder laid out as CLASS/clip.mp4, as in `folder:data/ucf101`"
        raise ManifestError(f"folder {place!r} is not there. {remedy}")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    seen = [path for path in files if not any(part.startswith(".") for part in path.parts)]
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

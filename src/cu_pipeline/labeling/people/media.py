"""How a browser that shows Label Studio's page gets the clips."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import from_stored, project_root
from cu_pipeline.labeling.people.options import StudioOptions

PLAYED: Final = frozenset({"h264", "vp8", "vp9", "av1"})
"""Codecs that current browsers play."""

_MOST_FOLDERS: Final = 20


def media_root(options: StudioOptions) -> Path:
    """Give the folder that holds all media, as it is on this machine."""
    return (project_root() / options.document_root).resolve()


def media_address(stored: str, options: StudioOptions) -> str:
    """Give the address of a clip's media; "" for text only.

    Args:
        stored: the path in the clips table.
        options: where media are served.

    Raises:
        ConfigurationError: the media lie outside the folder that is served.
    """
    if not stored:
        return ""
    path, root = from_stored(stored).resolve(), media_root(options)
    if not path.is_relative_to(root):
        raise ConfigurationError(
            f"{stored} lies outside {root}, so that Label Studio cannot show it: set label.studio.document_root to a "
            "folder that holds all media, and serve that one (LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, or "
            "label.studio.media_url)"
        )
    inside = quote(path.relative_to(root).as_posix())
    if options.media_url:
        return f"{options.media_url.rstrip('/')}/{inside}"
    return f"/data/local-files/?d={inside}"


def media_folders(stored: Iterable[str]) -> list[Path]:
    """Give the folders that Label Studio must be allowed to show: those with media, none inside another one."""
    folders = {from_stored(path).resolve().parent for path in stored if path}
    outer = sorted(folder for folder in folders if folders.isdisjoint(folder.parents))
    while len(outer) > _MOST_FOLDERS:
        parents = {folder.parent for folder in outer}
        outer = sorted(folder for folder in parents if parents.isdisjoint(folder.parents))
    return outer

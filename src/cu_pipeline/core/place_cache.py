"""A bounded folder with copies of immutable files of shared places, so that each is fetched once a machine."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.errors import NoSpaceError
from cu_pipeline.core.paths import project_root

FOLDER: Final = "data/.places"
"""Where the copies are, in the project's folder."""

GIGABYTE: Final = 10**9
_LOWERED_TO: Final = 0.9
"""The share of the bound that is left when old copies go, so that they do not go one by one."""

_log = logging.getLogger(__name__)


class PlaceCache:
    """Copies of files that never change, by a key that no other file has.

    Processes may share the folder: a copy has its name only once it is whole, and one that goes is fetched again. What
    was not used for longest goes first. Where the folder cannot be written, nothing is kept.

    Args:
        folder: of the copies; made when first written. None: `data/.places` in the project.
        most: bytes that are kept; a single file never takes more than a quarter of them.
    """

    def __init__(self, folder: Path | None = None, most: int = 20 * GIGABYTE) -> None:
        self.folder = folder or project_root() / FOLDER
        self.most = most
        self._added = most  # the first copy looks at what earlier processes left

    def takes(self, size: int) -> bool:
        """Tell whether a file of this many bytes may be kept."""
        return 4 * size <= self.most

    def find(self, key: str) -> Path | None:
        """Find a copy; it may go at any moment after."""
        path = self._path(key)
        try:
            os.utime(path)
        except OSError:
            return path if path.is_file() else None  # a folder that can only be read
        return path

    def read(self, key: str) -> bytes | None:
        """Read a copy; None where there is none."""
        try:
            return self._path(key).read_bytes()
        except OSError:
            return None

    def keep(self, key: str, size: int, write: Callable[[Path], object]) -> Path | None:
        """Keep a copy; None where it is too large, or the folder cannot be written.

        Args:
            key: that no other file has.
            size: bytes of the file.
            write: writes it to the path given; what it raises, but for a full disk, goes on.
        """
        path = self._path(key)
        if not self.takes(size):
            return None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(path.parent, os.W_OK):
                return None
            with atomic_path(path) as temporary:
                write(temporary)
        except (NoSpaceError, PermissionError) as error:
            _log.warning("%s is not kept: %s", key, error)
            return None
        self._added += size
        if self._added > self.most * (1 - _LOWERED_TO):
            self.trim()
        return path

    def drop(self, key: str) -> None:
        """Remove a copy, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def trim(self) -> None:
        """Remove the copies that were not used for longest, until all others are within the bound."""
        self._added = 0
        found = []
        for path in self.folder.glob("*/*"):
            with suppress(OSError):
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= self.most:
            return
        for _, size, path in sorted(found):
            path.unlink(missing_ok=True)
            total -= size
            if total <= self.most * _LOWERED_TO:
                return

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key

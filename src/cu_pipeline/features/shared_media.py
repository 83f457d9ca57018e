"""Media on a shared place, named by content: what a machine of a cluster lacks it fetches there, before decoding."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cu_pipeline.core.counters import count
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.shared_folder import FILES
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.core.shelf_manifests import Entry

FETCHED: Final = "media_fetched"
"""Counts media that a machine did not have and found on the shared place."""

_AT_ONCE: Final = 8
_TOGETHER: Final = 64
"""Files that are published together."""

_log = logging.getLogger(__name__)


class SharedMedia:
    """Copies of media on a shared place, those that `kedro stores push media` sends among them.

    Args:
        address: of the place.
        cache: of copies on this machine; None: that of the project.
    """

    def __init__(self, address: str, cache: PlaceCache | None = None) -> None:
        self._shelf = Shelf(address, cache)

    def __getstate__(self) -> tuple[str, int]:
        """What another machine is told, which keeps copies in a folder of its own."""
        return self._shelf.address, self._shelf.cache.most

    def __setstate__(self, told: tuple[str, int]) -> None:
        """Keep copies in the project's folder of this machine."""
        address, most = told
        self._shelf = Shelf(address, PlaceCache(most=most))

    def publish(self, files: Mapping[str, str]) -> int:
        """Send media that are here and that the place lacks, so that other machines find them; give how many.

        Args:
            files: SHA-256 of the content -> path. A file that is not here, or has another content, is left out.

        Raises:
            PlaceError: the place cannot be used; what was sent before stays, and is not sent again.
        """
        if not files:
            return 0
        known = {entry.sha256 for entry in self._shelf.entries().values()}
        lacking = [(sha, Path(path)) for sha, path in files.items() if sha not in known and Path(path).is_file()]
        sent = 0
        for start in range(0, len(lacking), _TOGETHER):
            some = [(sha, path, Entry.of(path, _name(sha, path))) for sha, path in lacking[start : start + _TOGETHER]]
            self._shelf.publish([(path, entry) for sha, path, entry in some if entry.sha256 == sha])
            sent += len(some)
        if sent:
            _log.info("%d media sent to %s, for machines that do not have them", sent, self._shelf.address)
        return sent

    @contextmanager
    def at_hand(self, files: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Give where each file is on this machine, for the block: its own path, or that of a copy.

        A file that neither this machine nor the place has keeps its path. Copies are those of the cache, in its
        bounds; what the cache does not take goes with the block.

        Args:
            files: SHA-256 of the content -> path.

        Raises:
            PlaceError: the place cannot be used, or what came is not what was published.
        """
        lacking = {sha: Path(path) for sha, path in files.items() if not Path(path).is_file()}
        if not lacking:
            yield dict(files)
            return
        with tempfile.TemporaryDirectory(prefix="cu-media-") as beside, ThreadPoolExecutor(_AT_ONCE) as pool:
            copies = pool.map(lambda item: self._copy(item[0], item[1], Path(beside)), lacking.items())
            found = {sha: str(copy) for sha, copy in zip(lacking, copies, strict=True) if copy is not None}
            count(FETCHED, len(found))
            yield dict(files) | found

    def _copy(self, sha: str, path: Path, beside: Path) -> Path | None:
        """Find or fetch a copy."""
        if found := self._shelf.cache.find(sha):
            return found
        name = _name(sha, path)
        size = self._shelf.size(name)
        if size is None:
            return None
        entry = Entry(name, size, sha)
        if kept := self._shelf.copy(entry):
            return kept
        self._shelf.fetch(entry, beside / sha)
        return beside / sha


def _name(sha: str, path: Path) -> str:
    return f"{FILES}/{sha[:2]}/{sha}{path.suffix}"

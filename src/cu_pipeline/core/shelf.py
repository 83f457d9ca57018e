"""Publication in a folder of a shared place: files that never change, and manifests that name the complete ones."""

import json
import logging
import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from cu_pipeline.core.errors import PlaceError
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.places import faults_told, file_system, make_folder
from cu_pipeline.core.shelf_manifests import (
    LARGE,
    MANIFESTS,
    TOGETHER,
    Entry,
    Listed,
    Writer,
    divided,
    is_full,
    is_manifest,
    is_whole,
)

_ROUNDS: Final = 5
_REMOVED_AT_ONCE: Final = 8

_log = logging.getLogger(__name__)


class Shelf:
    """A folder of a shared place in which any number of processes publish at once.

    A file counts as soon as a manifest names it and it lies there with the size that the manifest tells; one that is
    being written, or that a killed writer left, does not. Each writer has manifests of its own and writes each once:
    the next, under a new name, names the files of the one before, which then goes. Readers take the union. So nobody
    changes what another wrote, no step needs a lock, and nothing is asked of the place but that a file which was
    written is listed afterwards. A manifest that is cut off does not count either.

    Args:
        address: of the folder, such as `s3://bucket/features/captions/0a1b`.
        cache: of copies on this machine; None: that of the project.
    """

    def __init__(self, address: str, cache: PlaceCache | None = None) -> None:
        self.address = address.rstrip("/")
        self.cache = cache or PlaceCache()
        self._known: dict[str, list[Entry]] = {}
        self._writer = Writer(0)

    def __getstate__(self) -> dict[str, Any]:
        """Leave what was read, and the writer, to the process that has them."""
        return {**self.__dict__, "_known": {}, "_writer": Writer(0)}

    def entries(self) -> dict[str, Entry]:
        """The complete files by name, in order of publication.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.address):
            for _ in range(_ROUNDS):
                listed = self.listing()
                if self._read_manifests(sorted(name for name in listed if is_manifest(name))):
                    break
            else:
                raise PlaceError(f"{self.address} cannot be read: its manifests change faster than they are read")
        named = {entry.name: entry for name in sorted(self._known) for entry in self._known[name]}
        return {name: entry for name, entry in named.items() if name in listed and listed[name].size == entry.size}

    def publish(self, files: Sequence[tuple[Path, Entry]], beside: Collection[str] = ()) -> bool:
        """Write local files, and then the manifest from which on they count, all at once.

        Args:
            files: with what the manifest is to tell of them.
            beside: names of files without which they are not to count.

        Returns:
            Whether they count: all of `beside` was still there when they had been written.

        Raises:
            PlaceError: the place cannot be used; what was written does not count.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            for path, entry in files:
                make_folder(system, self.address, f"{folder}/{entry.name}".rpartition("/")[0])
                system.put_file(str(path), f"{folder}/{entry.name}")
            if beside and not self.listing().keys() >= set(beside):
                return False
            make_folder(system, self.address, f"{folder}/{MANIFESTS}")
            if self._writer.process != os.getpid():
                self._writer = Writer(os.getpid())
            self._write_manifests(system, folder, [entry for _, entry in files])
        return True

    def fetch(self, entry: Entry, target: Path) -> None:
        """Copy a file here.

        Raises:
            PlaceError: the place cannot be used, or what came is not what was published.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            system.get_file(f"{folder}/{entry.name}", str(target))
        if file_sha256(target) != entry.sha256:
            raise PlaceError(
                f"{self.address}/{entry.name} is damaged: it has other bytes than were published. Delete it; "
                "what it held counts as absent from then on"
            )

    def copy(self, entry: Entry) -> Path | None:
        """Find or fetch a file's copy on this machine; None where the cache does not take it."""
        found = self.cache.find(entry.sha256)
        return found or self.cache.keep(entry.sha256, entry.size, partial(self.fetch, entry))

    def open(self, entry: Entry) -> BinaryIO:
        """Open a file to read ranges of it.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            stream: BinaryIO = system.open(f"{folder}/{entry.name}", "rb", size=entry.size, cache_type="none")
            return stream

    def listing(self) -> dict[str, Listed]:
        """All files below the folder, complete or not.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            found = system.find(folder, detail=True)
            return {
                path.removeprefix(f"{folder}/"): Listed(int(info["size"]), _written(info))
                for path, info in found.items()
                if path.startswith(f"{folder}/")
            }

    def told(self) -> list[Entry]:
        """All that manifests tell of, what is not there any more included.

        Raises:
            PlaceError: the place cannot be used.
        """
        self.entries()
        return [entry for entries in self._known.values() for entry in entries]

    def strays(self) -> dict[str, Listed]:
        """The files that do not count: left by killed writers, or damaged manifests.

        Raises:
            PlaceError: the place cannot be used.
        """
        complete = self.entries()
        return {name: one for name, one in self.listing().items() if name not in complete and name not in self._known}

    def read(self, name: str) -> bytes | None:
        """Read a file, whether it counts or not; None where there is none.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            try:
                content: bytes = system.cat_file(f"{folder}/{name}")
            except FileNotFoundError:
                return None
            return content

    def size(self, name: str) -> int | None:
        """Ask for the bytes of a file, whether it counts or not; None where there is none.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            try:
                return int(system.info(f"{folder}/{name}")["size"])
            except FileNotFoundError:
                return None

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are complete count as absent from then on, whatever manifests say.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.address):
            system, folder = file_system(self.address)
            with ThreadPoolExecutor(_REMOVED_AT_ONCE) as pool:
                list(pool.map(lambda name: _remove(system, f"{folder}/{name}"), names))

    def tidy(self) -> None:
        """Write the manifests anew: few, and without what is not there any more. Those that are full of what is stay.

        Others may publish meanwhile: what they write afterwards names their files again.

        Raises:
            PlaceError: the place cannot be used.
        """
        live = self.entries()
        sizes = self.listing()
        old = [
            name
            for name, told in sorted(self._known.items())
            if not (is_full(told, sizes.get(name)) and all(live.get(entry.name) == entry for entry in told))
        ]
        kept = {entry.name for name in self._known.keys() - set(old) for entry in self._known[name]}
        entries = [entry for entry in live.values() if entry.name not in kept]
        with faults_told(self.address):
            system, folder = file_system(self.address)
            self._writer = Writer(os.getpid())
            for together in divided(entries):
                self._writer.begin()
                self._write_manifests(system, folder, together)
        self.remove(old)

    def _write_manifests(self, system: Any, folder: str, entries: list[Entry]) -> None:
        writer = self._writer
        former, together = writer.former, [*writer.entries, *entries]
        if len(together) > TOGETHER or writer.size >= LARGE:
            former, together = "", entries
            writer.begin()
        content = json.dumps({"format": 1, "entries": [asdict(entry) for entry in together]}, sort_keys=True)
        name = f"{MANIFESTS}/{writer.name}-{len(together):05d}-{text_sha256(content)[:16]}.json"
        system.pipe_file(f"{folder}/{name}", content.encode())
        writer.former, writer.entries, writer.size = name, together, len(content)
        if former:
            _remove(system, f"{folder}/{former}")

    def _read_manifests(self, names: list[str]) -> bool:
        """Take over what manifests name, each of which is read once; false where one went meanwhile."""
        for gone in self._known.keys() - set(names):
            del self._known[gone]
            self.cache.drop(text_sha256(f"{self.address}/{gone}"))
        lacking = [name for name in names if name not in self._known]
        keys = {name: text_sha256(f"{self.address}/{name}") for name in lacking}
        copies = {name: self.cache.read(keys[name]) for name in lacking}
        texts = {name: copy.decode() for name, copy in copies.items() if copy is not None}
        system, folder = file_system(self.address)
        asked = {f"{folder}/{name}": name for name in lacking if name not in texts}
        found = system.cat(list(asked), on_error="return") if asked else {}
        for path, name in asked.items():
            content = found[path]
            if isinstance(content, FileNotFoundError):
                return False
            if isinstance(content, Exception):
                raise content
            texts[name] = content.decode(errors="replace")
            if is_whole(name, texts[name]):
                self.cache.keep(keys[name], len(content), partial(_write, content))
        for name, text in texts.items():
            if not is_whole(name, text):
                _log.warning("%s/%s is not whole, and does not count", self.address, name)
                continue
            self._known[name] = [Entry(**one) for one in json.loads(text)["entries"]]
        return True


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _remove(system: Any, path: str) -> None:
    with suppress(FileNotFoundError):
        system.rm_file(path)


def _written(info: dict[str, Any]) -> float:
    """When a listing says that a file was written; of a place that does not tell, now."""
    for name in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(name)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, (int, float)):
            return float(value)
    return datetime.now(UTC).timestamp()

"""The parts of a feature store on a shared place, such as a bucket, and their copies on this machine."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import PartGoneError, PlaceError
from cu_pipeline.core.hashing import file_sha256, json_sha256
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.places import faults_told, file_system
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.core.shelf_manifests import Entry

JOINED: Final = "part-0-"
"""How the name of a part begins that was joined from many: it sorts before those of all others."""
_FETCHED_AT_ONCE: Final = 8
_SMALL: Final = 2**20
_WORTH_FETCHING: Final = 1 / 8
"""The share of a part's rows from which on all of it is fetched, and not the ranges that are wanted."""


@dataclass(frozen=True)
class SharedPart:
    """A complete part on a shared place.

    Attributes:
        shelf: that it is on.
        entry: what the manifest tells of it.
    """

    shelf: Shelf
    entry: Entry

    def __str__(self) -> str:
        return f"{self.shelf.address}/{self.entry.name}"

    @property
    def keys(self) -> list[str]:
        """Content hashes in order of the rows."""
        keys: list[str] = self.entry.facts["keys"]
        return keys

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Give the copy's path where there is one, and else a stream that asks the place for ranges.

        Raises:
            PartGoneError: it was removed meanwhile.
            PlaceError: the place cannot be used.
        """
        with self._gone_told(), faults_told(self.shelf.address):
            if path := self.shelf.cache.find(self.entry.sha256):
                yield path
            else:
                with self.shelf.open(self.entry) as stream:
                    yield stream

    def fetch(self) -> None:
        """Have a copy here, if the cache takes it.

        Raises:
            PartGoneError: it was removed meanwhile.
            PlaceError: the place cannot be used.
        """
        with self._gone_told():
            self.shelf.copy(self.entry)

    @contextmanager
    def _gone_told(self) -> Iterator[None]:
        try:
            yield
        except PlaceError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise PartGoneError(f"{self} is gone") from error
            raise


class SharedParts:
    """A feature store's parts on a shared place: a shelf for each extractor and fingerprint.

    A part is named by its keys and its bytes: two machines may compute the same features with other last digits, and
    then both parts stay, and the one whose name sorts first is read.

    Args:
        root: address of the store.
        cache: of copies on this machine; None: that of the project.
    """

    def __init__(self, root: str, cache: PlaceCache | None = None) -> None:
        self.root = root.rstrip("/")
        self._cache = cache or PlaceCache()
        self._shelves: dict[str, Shelf] = {}
        self._described: set[tuple[str, str]] = set()

    def features(self) -> list[tuple[str, str]]:
        """Name and fingerprint of all that is stored, sorted.

        Raises:
            PlaceError: the place cannot be used.
        """
        with faults_told(self.root):
            system, folder = file_system(self.root)
            found = {tuple(path.removeprefix(f"{folder}/").split("/")[:2]) for path in system.find(folder)}
        return sorted((place[0], place[1]) for place in found if len(place) == 2)

    def shelf(self, name: str, fingerprint: str) -> Shelf:
        """Find where the parts of an extractor are."""
        place = f"{self.root}/{name}/{fingerprint}"
        return self._shelves.setdefault(place, Shelf(place, self._cache))

    def parts(self, name: str, fingerprint: str) -> list[SharedPart]:
        """List the complete parts of an extractor, sorted by name.

        Raises:
            PlaceError: the place cannot be used.
        """
        shelf = self.shelf(name, fingerprint)
        return [SharedPart(shelf, entry) for _, entry in sorted(shelf.entries().items()) if "keys" in entry.facts]

    def add(
        self,
        place: tuple[str, str],
        record: str,
        keys: Sequence[str],
        write: Callable[[Path], object],
        *,
        instead: Sequence[SharedPart] = (),
    ) -> Entry | None:
        """Publish a part.

        Args:
            place: name and fingerprint of the extractor.
            record: JSON that describes it, for people.
            keys: content hashes in order of the rows.
            write: writes the part to the path given.
            instead: parts that it was joined from.

        Returns:
            What the manifest tells of it; None: it does not count, since one that it was joined from went meanwhile.

        Raises:
            PlaceError: the place cannot be used.
        """
        shelf = self.shelf(*place)
        begin = JOINED if instead else "part-"
        with tempfile.TemporaryDirectory(prefix="cu-pipeline-") as folder:
            part, about = Path(folder, "part.parquet"), Path(folder, "extractor.json")
            write(part)
            name = f"{begin}{json_sha256(list(keys))[:16]}-{file_sha256(part)[:16]}.parquet"
            files = [(part, Entry.of(part, name, keys=list(keys)))]
            if record and place not in self._described:
                about.write_text(record, encoding="utf-8")
                files.append((about, Entry.of(about, "extractor.json")))
            if not shelf.publish(files, beside=[part.entry.name for part in instead]):
                return None
            self._described.add(place)
            shelf.cache.keep(files[0][1].sha256, files[0][1].size, partial(_copy, part))
            return files[0][1]

    def fetch(self, wanted: Mapping[SharedPart, int]) -> None:
        """Fetch the parts of which much is wanted, as far as half of the cache takes them; of others ranges are read.

        Args:
            wanted: part -> its rows that are wanted.

        Raises:
            PartGoneError: one was removed meanwhile.
            PlaceError: the place cannot be used.
        """
        chosen = [
            part
            for part, rows in wanted.items()
            if part.entry.size <= _SMALL or rows >= _WORTH_FETCHING * len(part.keys)
        ]
        lacking = [part for part in chosen if not part.shelf.cache.find(part.entry.sha256)]
        if sum(part.entry.size for part in lacking) > self._cache.most / 2:
            return
        with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
            list(pool.map(SharedPart.fetch, lacking))

    def remove(self, place: tuple[str, str], parts: Sequence[SharedPart]) -> None:
        """Remove parts whose features stand in others.

        Raises:
            PlaceError: the place cannot be used.
        """
        shelf = self.shelf(*place)
        shelf.remove([part.entry.name for part in parts])
        for part in parts:
            shelf.cache.drop(part.entry.sha256)

    def replace(self, part: SharedPart, kept: Sequence[str], write: Callable[[Path], None]) -> None:
        """Put a shorter part in the place of another, which goes after it; one without any row just goes.

        Args:
            part: the former one.
            kept: the content hashes of the shorter one's rows, in order.
            write: writes it to the path given.

        Raises:
            PlaceError: the place cannot be used.
        """
        if kept:
            name, fingerprint = part.shelf.address.removeprefix(f"{self.root}/").split("/")
            self.add((name, fingerprint), "", kept, write)
        part.shelf.remove([part.entry.name])
        part.shelf.cache.drop(part.entry.sha256)


def _copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())

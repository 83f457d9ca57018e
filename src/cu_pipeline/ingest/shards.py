"""Finding the files that a pattern means."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.addresses import is_address, local_path, without_query
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.ingest.fetching import LONGEST_WAIT_S
from cu_pipeline.ingest.stores import open_store

ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

_BRACES: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Shard:
    """A tar file.

    Attributes:
        store: the fsspec file system that it is in.
        path: its path there.
        name: its path from the folder that the pattern starts in, without its ending.
    """

    store: Any
    path: str
    name: str


def find_shards(place: str) -> list[Shard]:
    """Find the tar files of a pattern, sorted by name.

    Args:
        place: a file, or a folder that is searched at any depth; `*`, `?`, `[…]`, `{000..015}` and `{a,b}` stand for
            more. A local path is seen from the project's root.

    Raises:
        ManifestError: there are none, or an address cannot be read.
    """
    found: dict[str, Shard] = {}
    for pattern in expand_braces(local_path(place)):
        address = pattern if is_address(pattern) else str(from_stored(str(Path(pattern).expanduser())))
        try:
            store, path = open_store(address, LONGEST_WAIT_S)
            for file in _files(store, path):
                found[file] = Shard(store, file, _name(file, path))
        except ManifestError:
            raise
        except Exception as error:  # each store has errors of its own
            seen = f"{type(error).__name__}: {error}"
            raise ManifestError(f"webdataset {pattern!r} cannot be read: {seen}") from error
    if not found:
        remedy = f"Remedy: name tar files, a pattern or a folder of them; endings: {', '.join(ENDINGS)}"
        raise ManifestError(f"webdataset {place!r}: there is no such tar file. {remedy}")
    return [found[file] for file in sorted(found)]


def expand_braces(pattern: str) -> Iterator[str]:
    """Give the places that a pattern with braces means.

    >>> list(expand_braces("a-{08..10}.{tar,tgz}"))[:3]
    ['a-08.tar', 'a-08.tgz', 'a-09.tar']
    """
    if (match := _BRACES.search(pattern)) is None:
        yield pattern
        return
    for choice in _choices(match[1]):
        yield from expand_braces(pattern[: match.start()] + choice + pattern[match.end() :])


def _choices(text: str) -> list[str]:
    if numbers := re.fullmatch(r"(\d+)\.\.(\d+)", text):
        first, last = numbers.groups()
        return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return text.split(",")


def _files(store: Any, path: str) -> list[str]:
    if any(sign in path for sign in "*[") or ("?" in path and without_query(path) == path):
        return [file for file in store.glob(path) if store.isfile(file)]
    if without_query(path).endswith(ENDINGS) and not store.isdir(path):
        return [path] if store.exists(path) else []
    return [file for file in store.find(path) if file.endswith(ENDINGS)]


def _name(file: str, pattern: str) -> str:
    """Give a file's path from the last folder of the pattern that no wildcard stands before."""
    fixed = re.split(r"[*?\[]", pattern)[0]
    folder = fixed.rstrip("/") if fixed == pattern and file != pattern else fixed.rpartition("/")[0]
    name = without_query(file).removeprefix(folder).lstrip("/")
    return name.removesuffix(next((ending for ending in ENDINGS if name.endswith(ending)), ""))

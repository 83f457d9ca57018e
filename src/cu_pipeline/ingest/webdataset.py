"""Clips in tar shards, as WebDataset lays them out."""

import errno
import logging
import lzma
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.addresses import is_address, local_path, without_query
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.progress import each
from cu_pipeline.ingest.columns import known_columns
from cu_pipeline.ingest.fetching import LONGEST_WAIT_S
from cu_pipeline.ingest.folder import files_in
from cu_pipeline.ingest.manifest import PROBLEM, Record
from cu_pipeline.ingest.media_store import extract_once, sweep
from cu_pipeline.ingest.tar_shard import FIELDS, read_shard
from cu_pipeline.ingest.transports import BLOCK, open_store, version_of
from cu_pipeline.media.options import Limits

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
    """List the places that a pattern with braces means.

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
    if "file" in store.protocol and store.isdir(path):  # whose `find` leaves out linked folders
        return [f"{path}/{file.as_posix()}" for file in files_in(Path(path)) if file.name.endswith(ENDINGS)]
    return [file for file in store.find(path) if file.endswith(ENDINGS)]


def _name(file: str, pattern: str) -> str:
    """Cut a file's path to what follows the last folder of the pattern that no wildcard stands before."""
    fixed = re.split(r"[*?\[]", pattern)[0]
    folder = fixed.rstrip("/") if fixed == pattern and file != pattern else fixed.rpartition("/")[0]
    name = without_query(file).removeprefix(folder).lstrip("/")
    return name.removesuffix(next((ending for ending in ENDINGS if name.endswith(ending)), ""))


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_log = logging.getLogger(__name__)


def read_webdataset(place: str, limits: Limits) -> pd.DataFrame:
    """Read tar shards in which files that share a stem are one clip: `000.mp4`, `000.txt`, `000.json`, `000.cls`.

    `.txt` is the caption, `.cls` the label of the first capability, and the keys of a `.json` object are columns. A
    clip is called `SHARD/STEM` unless its JSON has a `clip_id`. Media are unpacked once.

    Args:
        place: a tar file, a folder of such, or a pattern with `*` or `{000..015}`; local or at an address.
        limits: `max_bytes` holds for each media file.

    Raises:
        ManifestError: there are no shards, one is damaged, or they hold no clip.
    """
    sweep()
    shards = find_shards(place)
    shown = each(iter(shards), "reading shards", len(shards), "shard")
    frames = [_rows(shard, limits.max_bytes) for shard in shown]
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns if name != PROBLEM))
    rows = pd.concat([frame.reindex(columns=[*columns, PROBLEM], fill_value="") for frame in frames], ignore_index=True)
    if rows.empty:
        remedy = (
            f"Remedy: give files of one clip one stem, such as 000.mp4 and 000.txt; read are media, {', '.join(FIELDS)}"
        )
        raise ManifestError(f"webdataset {place!r} holds no clip in {len(shards)} shards. {remedy}")
    return known_columns(rows, f"webdataset {place!r}")


def _rows(shard: Shard, max_bytes: int) -> pd.DataFrame:
    try:
        version = version_of(shard.store.info(shard.path))
        return extract_once([shard.path, shard.name, version, max_bytes], partial(_read, shard, max_bytes))
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise _damaged(shard, error) from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise _damaged(shard, error) from error


def _damaged(shard: Shard, error: Exception) -> ManifestError:
    remedy = "Remedy: copy it again, or leave it out"
    return ManifestError(f"shard {shard.path!r} is damaged: {type(error).__name__}: {error}. {remedy}")


def _read(shard: Shard, max_bytes: int) -> list[Record]:
    with shard.store.open(shard.path, "rb", **_sequential(shard.store)) as stream:
        rows, ignored = read_shard(stream, shard.name, max_bytes)
    _tell(shard, ignored)
    return rows


def _sequential(store: Any) -> dict[str, int]:
    """Say how a file is opened that is read from its beginning to its end; a web server sends it in one answer."""
    return {"block_size": 0 if "http" in store.protocol else BLOCK}


def _tell(shard: Shard, ignored: Counter[str]) -> None:
    if ignored:
        shown = ", ".join(f"{number} {ending}" for ending, number in ignored.most_common(5))
        _log.warning("%s: %d members are left out: %s", shard.path, ignored.total(), shown)

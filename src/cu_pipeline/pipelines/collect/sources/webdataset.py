"""Clips in tar shards, as WebDataset lays them out."""

import errno
import logging
import lzma
import tarfile
import zlib
from collections import Counter
from functools import partial
from typing import Any

import pandas as pd
from tqdm import tqdm

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.pipelines.collect.fetching.stores import BLOCK, version_of
from cu_pipeline.pipelines.collect.formats import PROBLEM, Record
from cu_pipeline.pipelines.collect.media_store import sweep
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.sources.extraction import extract_once
from cu_pipeline.pipelines.collect.sources.shards import Shard, find_shards
from cu_pipeline.pipelines.collect.sources.tar_shard import FIELDS, read_shard

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_log = logging.getLogger(__name__)


def read_webdataset(place: str, options: CollectOptions, mapper: Mapper) -> pd.DataFrame:  # noqa: ARG001 - Source
    """Read tar shards in which files that share a stem are one clip: `000.mp4`, `000.txt`, `000.json`, `000.cls`.

    `.txt` is the caption, `.cls` the label of the first capability, and the keys of a `.json` object are columns. A
    clip is called `SHARD/STEM` unless its JSON has a `clip_id`. Media are unpacked once.

    Args:
        place: a tar file, a folder of such, or a pattern with `*` or `{000..015}`; local or at an address.
        options: `limits.max_bytes` holds for each media file.
        mapper: unused.

    Raises:
        ManifestError: there are no shards, one is damaged, or they hold no clip.
    """
    sweep()
    shards = find_shards(place)
    frames = [_rows(shard, options.limits.max_bytes) for shard in tqdm(shards, desc="reading shards", disable=None)]
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns if name != PROBLEM))
    rows = pd.concat([frame.reindex(columns=[*columns, PROBLEM], fill_value="") for frame in frames], ignore_index=True)
    if rows.empty:
        remedy = (
            f"Remedy: give files of one clip one stem, such as 000.mp4 and 000.txt; read are media, {', '.join(FIELDS)}"
        )
        raise ManifestError(f"webdataset {place!r} holds no clip in {len(shards)} shards. {remedy}")
    return rows


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
    """Give how a file is opened that is read from its beginning to its end; a web server sends it in one answer."""
    return {"block_size": 0 if "http" in store.protocol else BLOCK}


def _tell(shard: Shard, ignored: Counter[str]) -> None:
    if ignored:
        shown = ", ".join(f"{number} {ending}" for ending, number in ignored.most_common(5))
        _log.warning("%s: %d members are left out: %s", shard.path, ignored.total(), shown)

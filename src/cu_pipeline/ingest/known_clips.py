"""Which rows of a feed are clips that the project holds already, told before anything is fetched or decoded."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.addresses import is_address, without_query
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.rows import Rows

_NAMES: Final = ("clip_id", "path", "text")


def known_rows(rows: Rows, manifest: Rows, clips: Rows) -> int:
    """Count the rows that are clips of a stored feed.

    A row is a stored clip if it has the same media path or address; if neither has media and the caption is the same;
    or if two of id, caption and name of the media file are: an id alone (`1`, `2`, …) says nothing, nor does a caption
    alone (`wait for it`) of clips with media, nor `1` with the local file `1.mp4`. Where no row is known so, local
    media are compared by content, of which only files are read that have a stored clip's size.

    Of the stored feed hashes of 64 bits are held, since its texts may not fit into memory; that two rows of 10 million
    have one by chance happens once in some 200,000 feeds, and changes a number in a message.

    Args:
        rows: a feed's, with `path` as tables keep it.
        manifest: the stored feed's rows; may be empty.
        clips: `clip_id`, `path`, `raw_text`, `media_sha256` and `bytes` of the stored clips.
    """
    stored = _stored_marks(manifest, clips.renamed({"raw_text": "text"}))
    known = 0
    for batch in rows.only(_NAMES).batches():
        found = np.zeros(len(batch), dtype=np.bool_)
        for mine, theirs in zip(_marks(_named(batch)), stored, strict=True):
            found |= (mine != "").to_numpy(dtype=np.bool_) & _among(_hashed(mine), theirs)
        known += int(found.sum())
    return known or sum(_same_contents(rows, clips))


def _stored_marks(*tables: Rows) -> list[NDArray[np.uint64]]:
    """Hash the marks of tables, each kind apart, sorted."""
    kinds: list[list[NDArray[np.uint64]]] = [[] for _ in _marks(_named(pd.DataFrame(columns=_NAMES)))]
    for batch in (batch for table in tables for batch in table.only(_NAMES).batches()):
        for kind, marks in zip(kinds, _marks(_named(batch)), strict=True):
            kind.append(_hashed(marks[marks != ""]))
    return [np.unique(np.concatenate(kind)) if kind else np.empty(0, np.uint64) for kind in kinds]


def _hashed(values: "pd.Series[str]") -> NDArray[np.uint64]:
    return pd.util.hash_array(values.to_numpy(dtype=object), categorize=False)


def _among(values: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which values are among sorted ones."""
    if not len(known):
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    frame = rows.astype(str).apply(lambda column: column.str.strip()).reset_index(drop=True)
    files = frame["path"].map(lambda path: PurePosixPath(without_query(path)).name)
    return frame.assign(file=files, remote_file=files.where(frame["path"].map(is_address).astype(bool), ""))


def _marks(rows: pd.DataFrame) -> Iterator["pd.Series[str]"]:
    """What two rows of one clip have in common, each in one way; "" where a row has nothing to compare so."""
    yield rows["path"]
    yield rows["text"].where(rows["path"] == "", "")
    for one, other in (("clip_id", "text"), ("clip_id", "remote_file"), ("text", "file")):
        yield (rows[one] + "\0" + rows[other]).where((rows[one] != "") & (rows[other] != ""), "")


def _same_contents(rows: Rows, clips: Rows) -> Iterator[bool]:
    """Tell of each local media file whether a stored clip has its content."""
    sizes, contents = set(), set()
    for batch in clips.batches(["media_sha256", "bytes"]):
        with_media = batch[batch["media_sha256"] != ""]
        sizes |= set(with_media["bytes"])
        contents |= set(with_media["media_sha256"])
    for path in (path for batch in rows.only(["path"]).batches() for path in batch["path"] if contents and path):
        try:
            if not is_address(path):
                yield from_stored(path).stat().st_size in sizes and file_sha256(from_stored(path)) in contents
        except (OSError, ValueError):  # a row that will be refused for it
            continue

"""Which rows of a feed are clips that the project holds already, told before anything is fetched or decoded."""

from collections.abc import Iterator
from pathlib import PurePosixPath

import pandas as pd

from cu_pipeline.core.addresses import is_address, without_query
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.paths import from_stored


def known_rows(rows: pd.DataFrame, manifest: pd.DataFrame, clips: pd.DataFrame) -> int:
    """Count the rows that are clips of a stored feed.

    A row is a stored clip if it has the same media path or address; if neither has media and the caption is the same;
    or if two of id, caption and name of the media file are: an id alone (`1`, `2`, …) says nothing, nor does a caption
    alone (`wait for it`) of clips with media, nor `1` with the local file `1.mp4`. Where no row is known so, local
    media are compared by content, of which only files are read that have a stored clip's size.

    Args:
        rows: a feed's, with `path` as tables keep it.
        manifest: the stored feed's rows; may be empty.
        clips: `clip_id`, `path`, `raw_text`, `media_sha256` and `bytes` of the stored clips.
    """
    stored = pd.concat([_named(manifest), _named(clips.rename(columns={"raw_text": "text"}))], ignore_index=True)
    new = _named(rows)
    known = pd.Series(data=False, index=new.index)
    for mine, theirs in zip(_marks(new), _marks(stored), strict=True):
        known |= (mine != "") & mine.isin(set(theirs) - {""})
    return int(known.sum()) or sum(_same_contents(new["path"], clips))


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    frame = rows.reindex(columns=["clip_id", "path", "text"], fill_value="").fillna("").astype(str)
    frame = frame.apply(lambda column: column.str.strip()).reset_index(drop=True)
    files = frame["path"].map(lambda path: PurePosixPath(without_query(path)).name)
    return frame.assign(file=files, remote_file=files.where(frame["path"].map(is_address).astype(bool), ""))


def _marks(rows: pd.DataFrame) -> Iterator["pd.Series[str]"]:
    """What two rows of one clip have in common, each in one way; "" where a row has nothing to compare so."""
    yield rows["path"]
    yield rows["text"].where(rows["path"] == "", "")
    for one, other in (("clip_id", "text"), ("clip_id", "remote_file"), ("text", "file")):
        yield (rows[one] + "\0" + rows[other]).where((rows[one] != "") & (rows[other] != ""), "")


def _same_contents(paths: "pd.Series[str]", clips: pd.DataFrame) -> Iterator[bool]:
    """Tell of each local media file whether a stored clip has its content."""
    with_media = clips[clips["media_sha256"] != ""]
    sizes, contents = set(with_media["bytes"]), set(with_media["media_sha256"])
    for path in paths[(paths != "") & ~paths.map(is_address).astype(bool)]:
        try:
            yield from_stored(path).stat().st_size in sizes and file_sha256(from_stored(path)) in contents
        except (OSError, ValueError):  # a row that will be refused for it
            continue

"""Which rows become clips, and why the others do not."""

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import CLIPS, REJECTS, table
from cu_pipeline.core.row_order import repeats, sort_rows, sorted_rank
from cu_pipeline.core.rows import Rows
from cu_pipeline.core.spool import spooled
from cu_pipeline.ingest.fetching import Fetched
from cu_pipeline.ingest.file_names import FileNames
from cu_pipeline.ingest.language import name_languages
from cu_pipeline.ingest.manifest import PROBLEM, REASON
from cu_pipeline.ingest.options import LanguageOptions
from cu_pipeline.ingest.probing import Probed, probe_key
from cu_pipeline.ingest.rows import CHECKED, check_row
from cu_pipeline.ingest.tombstones import CONTENT, NOTHING_ERASED, REMEDY, Tombstones
from cu_pipeline.media.options import Limits

_NAME: Final = 16

CAPTURE: Final = "capture"
"""The feed of what the service was asked about."""

Content = tuple[str, str]
"""Hashes of a clip's media and text."""

_log = logging.getLogger(__name__)

ADDRESS = "media_address"
"""Column that tells where fetched media come from."""


def addresses(rows: Rows) -> list[str]:
    """List the addresses of media, each once."""
    batches = (batch["path"] for batch in rows.batches(["path"]))
    return list(dict.fromkeys(path for paths in batches for path in paths[_remote(paths)]))


def place(rows: Rows, fetched: Mapping[str, Fetched]) -> tuple[Rows, pd.DataFrame]:
    """Put the copies' paths in the place of addresses, and set rows aside whose media could not be had.

    Args:
        rows: a manifest's rows.
        fetched: what fetching gave, by address.

    Returns:
        Rows with local media only, and refused rows with the columns of `REJECTS`.
    """
    any_remote = False
    kept = np.ones(len(rows), dtype=np.bool_)
    refused: list[dict[str, object]] = []
    for batch in rows.only(["clip_id", "path", REASON, PROBLEM]).batches():
        remote = _remote(batch["path"])
        any_remote |= bool(remote.any())
        for place, clip_id, path, reason, problem in batch[remote | (batch[REASON] != "")].itertuples(name=None):
            if (fault := _unplaced(path, reason, problem, fetched)) is not None:
                refused.append({"clip_id": clip_id, "path": path, "reason": fault[0], "detail": fault[1]})
                kept[place] = False
    placed = rows.changed(partial(_copied, fetched), [ADDRESS, "path"], ["path"]) if any_remote else rows
    left = placed.where(kept)
    return left.only([name for name in left.names if name != REASON]), table(refused, REJECTS)


def _unplaced(path: str, reason: str, problem: str, fetched: Mapping[str, Fetched]) -> tuple[str, str] | None:
    """Why a row is refused, by its source or by fetching, as a code and in words."""
    if reason:
        return reason, problem
    failed = fetched[path].reason
    return None if failed is None else (failed.value, fetched[path].detail)


def _copied(fetched: Mapping[str, Fetched], batch: pd.DataFrame) -> pd.DataFrame:
    remote = _remote(batch["path"])
    copies = [fetched[path].path if there else path for path, there in zip(batch["path"], remote, strict=True)]
    return pd.DataFrame({ADDRESS: batch["path"].where(remote, "").tolist(), "path": copies}, dtype=object)


def _remote(paths: "pd.Series[str]") -> "pd.Series[bool]":
    return paths.str.contains("://", regex=False).astype(bool)


_MISSING: Final = "_missing"
"""Column that says why a row's media file is not there; "" where it is, or none is named."""


def check_rows(
    manifest: Rows, capabilities: Capabilities, limits: Limits, language: LanguageOptions
) -> tuple[Rows, pd.DataFrame]:
    """Divide a manifest's rows into those that may become clips and those that cannot.

    Args:
        manifest: its rows, with local media.
        capabilities: what to recognise.
        limits: what a media file may cost.
        language: of captions.

    Returns:
        Rows with the columns `CHECKED`, in the manifest's order, and a table of refused ones, `REJECTS`.
    """
    refused: list[dict[str, object]] = []
    given_paths: dict[int, str] = {}
    rows = spooled(_checked(manifest, capabilities, limits, language, refused, given_paths))
    if not len(rows):
        return rows.only(list(CHECKED)), table(refused, REJECTS)
    named = rows.columns("clip_id", "feed")
    # what a captured clip is depends on what it holds, so its name stands for nothing yet
    counted = ((named["clip_id"] != "") & (named["feed"] != CAPTURE)).to_numpy(dtype=np.bool_)
    repeated = repeats(named["clip_id"], counted)
    kept = np.ones(len(rows), dtype=np.bool_)
    for batch in rows.batches(["clip_id", "path", _MISSING]):
        wrong = repeated[batch.index] | (batch[_MISSING] != "")
        for place, clip_id, path, missing in batch[wrong].itertuples(name=None):
            fault = _repeated(clip_id) if repeated[place] else BadClipError(Reason.MISSING, missing)
            refused.append(_refusal({"clip_id": clip_id, "path": given_paths.get(place, path)}, fault))
            kept[place] = False
    return rows.where(kept).only(list(CHECKED)), table(refused, REJECTS)


def _checked(
    manifest: Rows,
    capabilities: Capabilities,
    limits: Limits,
    language: LanguageOptions,
    refused: list[dict[str, object]],
    given_paths: dict[int, str],
) -> Iterator[pd.DataFrame]:
    """Check rows one by one; those that make no sense are added to `refused`.

    Where the disk spells a path otherwise than the feed, what the feed has is kept by the row's place.
    """
    names, start = FileNames(), 0
    for batch in manifest.batches():
        rows: list[dict[str, str]] = []
        columns = batch.columns.tolist()
        for values in batch.itertuples(index=False, name=None):
            record = dict(zip(columns, values, strict=True))
            try:
                row = check_row(record, capabilities)
            except BadClipError as error:
                refused.append(_refusal(record, error))
                continue
            if given := row["path"]:
                _find_media(row, names, limits)
                if row["path"] != given:
                    given_paths[start + len(rows)] = given
            rows.append(row)
        start += len(rows)
        found = {name: [row.get(name, "") for row in rows] for name in (*CHECKED, _MISSING)}
        yield name_languages(pd.DataFrame(found, dtype=object), language)


def _find_media(row: dict[str, str], names: FileNames, limits: Limits) -> None:
    try:
        path = names.find(row["path"])
        row |= {"probe_key": probe_key(path, limits), "path": path}
    except BadClipError as error:
        row[_MISSING] = error.detail


ADMITTED: Final = {**CHECKED, **{name: column for name, column in CLIPS.items() if name not in {"group", "split"}}}
"""Columns of a table of rows that are usable clips."""

TEXT_ONLY: Mapping[str, object] = {
    "media_sha256": "",
    "duration_s": float("nan"),
    "width": float("nan"),
    "height": float("nan"),
    "fps": float("nan"),
    "codec": "",
    "has_audio": False,
    "bytes": 0,
}
"""What a clip without media has in place of a file's facts."""

_CONTENTS: Final = ("media_sha256", "text_sha256")


def admit_rows(
    checked: Rows, probes: Mapping[str, Probed], tombstones: Tombstones = NOTHING_ERASED
) -> tuple[Rows, pd.DataFrame]:
    """Add to checked rows what probing found, and names to those that have none.

    A clip without a name is called by the SHA-256 of its media, else of its text. A captured clip that carries the
    id of another is that clip if media and text are the same, and has a name of its own otherwise.

    Returns:
        Rows with the columns `ADMITTED`, in the order of `checked`, and a table of refused ones, `REJECTS`.
    """
    refused: list[dict[str, object]] = []
    rows = checked.changed(partial(_described, probes), [*TEXT_ONLY, "text_sha256"], ["probe_key", "text"])
    if not len(rows):
        return rows.only(list(ADMITTED)), table(refused, REJECTS)
    kept: NDArray[np.bool_] = np.ones(len(rows), dtype=np.bool_)
    captured = np.zeros(len(rows), dtype=np.bool_)
    names = []
    for batch in rows.batches(["clip_id", "path", "probe_key", "feed", *_CONTENTS]):
        for place, error in sorted(_faults(batch, probes, tombstones).items()):
            refused.append(_refusal({name: str(batch.loc[place, name]) for name in ("clip_id", "path")}, error))
            kept[place] = False
        captured[batch.index] = batch["feed"] == CAPTURE
        name = batch["clip_id"]
        for content in _CONTENTS:
            name = name.where(name != "", batch[content])
        names.append(name.astype(pd.StringDtype("pyarrow")))
    named = pd.concat(names)
    repeated = repeats(named, kept & ~captured)
    for batch in rows.where(repeated).batches(["clip_id", "path"]) if repeated.any() else ():
        who = named[repeated].iloc[batch.index]
        for called, clip_id, path in zip(who, batch["clip_id"], batch["path"], strict=True):
            refused.append(_refusal({"clip_id": clip_id, "path": path}, _repeated(called)))
    kept = kept & ~repeated
    if (kept & captured).any():
        named, kept = _named_apart(rows, named, kept, captured)
    rows = rows.beside(named.to_frame("clip_id")).where(kept)
    return rows.only(list(ADMITTED)), table(refused, REJECTS)


def sort_by_name(admitted: Rows) -> Rows:
    """Bring clips into the order of their names."""
    if not len(admitted):
        return admitted
    return sort_rows(admitted, sorted_rank(admitted.columns("clip_id")["clip_id"]))


def _described(probes: Mapping[str, Probed], batch: pd.DataFrame) -> pd.DataFrame:
    """Tell what a clip holds: facts of its media, and the text's hash; what was refused has none."""
    found = pd.DataFrame(dict(TEXT_ONLY), index=batch.index)
    with_media = batch.loc[batch["probe_key"] != "", "probe_key"]
    if len(with_media):
        facts = [_facts(probes[key]) for key in with_media]
        filled = pd.DataFrame(facts, with_media.index, columns=list(TEXT_ONLY))
        found = pd.concat([found.drop(with_media.index), filled]).sort_index().astype(found.dtypes.to_dict())
    hashes = [text_sha256(text) if text else "" for text in batch["text"]]
    return found.assign(text_sha256=pd.Series(hashes, batch.index, dtype=object))


def _facts(probed: Probed) -> Mapping[str, object]:
    if probed.facts is None:
        return TEXT_ONLY
    facts = vars(probed.facts)
    return {name: facts["sha256" if name == "media_sha256" else name] for name in TEXT_ONLY}


def _faults(batch: pd.DataFrame, probes: Mapping[str, Probed], tombstones: Tombstones) -> dict[int, BadClipError]:
    """Find the rows whose media cannot be used, or whose content was erased, by their places."""
    faults: dict[int, BadClipError] = {}
    columns = batch[["probe_key", *_CONTENTS]]
    concerned = columns if tombstones.entries else columns[columns["probe_key"] != ""]
    for place, key, media, text in concerned.itertuples(name=None):
        if key and probes[key].facts is None:
            faults[place] = BadClipError(probes[key].reason or Reason.CRASHED, probes[key].detail)
        elif tombstones.entries and tombstones.knows(CONTENT, media or text):
            faults[place] = BadClipError(Reason.ERASED, REMEDY)
    return faults


def _named_apart(
    rows: Rows, names: "pd.Series[str]", kept: NDArray[np.bool_], captured: NDArray[np.bool_]
) -> tuple["pd.Series[str]", NDArray[np.bool_]]:
    """Leave out the captured clips that are others, and rename those that only carry the id of another.

    Args:
        rows: with `_CONTENTS`.
        names: of all rows.
        kept: which may become clips.
        captured: which of all come from the feed of captured clips.

    Returns:
        The names, and which rows are kept.
    """
    places = np.flatnonzero(kept & captured)
    mine = rows.where(kept & captured).columns(*_CONTENTS)
    contents: list[Content] = list(zip(*(mine[name] for name in _CONTENTS), strict=True))
    carried = names.iloc[places].tolist()
    apart = [
        f"{name}-{text_sha256('/'.join(content))[:_NAME]}" for name, content in zip(carried, contents, strict=True)
    ]
    theirs = kept & ~captured & names.isin({*carried, *apart}).to_numpy(dtype=np.bool_)
    others = rows.where(theirs).columns(*_CONTENTS)
    seen: dict[str, Content] = dict(
        zip(names[theirs], zip(*(others[one] for one in _CONTENTS), strict=True), strict=True)
    )
    names, kept = names.copy(), kept.copy()
    same = renamed = 0
    for place, name, other, content in zip(places, carried, apart, contents, strict=True):
        if name in seen and seen[name] != content:
            name = other  # noqa: PLW2901
            renamed += 1
        if name in seen:
            same += 1
            kept[place] = False
            continue
        seen[name] = content
        names.iloc[place] = name
    if same or renamed:
        _log.info(
            "of the captured clips that carry another clip's id, %d are that clip, and %d have another content and got "
            "names of their own", same, renamed,
        )  # fmt: skip
    return names, kept


def _repeated(clip_id: str) -> BadClipError:
    return BadClipError(Reason.DUPLICATE_ID, f"an earlier row is called {clip_id!r}")


def _refusal(row: Mapping[str, str], error: BadClipError) -> dict[str, object]:
    place = {name: row.get(name, "").strip() for name in ("clip_id", "path")}
    return {**place, "reason": error.reason.value, "detail": error.detail}

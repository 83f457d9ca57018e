"""Which rows become clips, and why the others do not."""

import logging
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import CLIPS, REJECTS, Column, table
from cu_pipeline.ingest.fetching import Fetched
from cu_pipeline.ingest.file_names import FileNames
from cu_pipeline.ingest.manifest import PROBLEM, REASON
from cu_pipeline.ingest.probing import Probed, probe_key
from cu_pipeline.ingest.rows import CHECKED, check_row
from cu_pipeline.ingest.tombstones import CONTENT, NOTHING_ERASED, REMEDY, Tombstones
from cu_pipeline.media.options import Limits

_CHUNK: Final = 10_000
_NAME: Final = 16

CAPTURE: Final = "capture"
"""The feed of what the service was asked about."""

Content = tuple[str, str]
"""Hashes of a clip's media and text."""

_log = logging.getLogger(__name__)

ADDRESS = "media_address"
"""Column that tells where fetched media come from."""


class TableBuilder:
    """A table that grows by rows; few of them are dictionaries at a time, since a million would take gigabytes.

    Args:
        columns: of the table, in order.
    """

    def __init__(self, columns: dict[str, Column]) -> None:
        self._columns = columns
        self._rows: list[dict[str, object]] = []
        self._tables: list[pd.DataFrame] = []

    def append(self, row: dict[str, object]) -> None:
        """Add a row, which has a value for each column and may have others."""
        self._rows.append(row)
        if len(self._rows) == _CHUNK:
            self._convert()

    def table(self) -> pd.DataFrame:
        """Make a table of the rows so far, with the columns' types."""
        if self._rows or not self._tables:
            self._convert()
        return pd.concat(self._tables, ignore_index=True)

    def _convert(self) -> None:
        self._tables.append(table(self._rows, self._columns))
        self._rows = []


def addresses(rows: pd.DataFrame) -> list[str]:
    """List the addresses of media, each once."""
    paths = rows["path"]
    return list(dict.fromkeys(paths[_remote(paths)]))


def place(rows: pd.DataFrame, fetched: Mapping[str, Fetched]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the copies' paths in the place of addresses, and set rows aside whose media could not be had.

    Args:
        rows: a manifest's rows.
        fetched: what fetching gave, by address.

    Returns:
        Rows with local media only, and refused rows with the columns of `REJECTS`.
    """
    remote = _remote(rows["path"])
    refused = [_refused_by_source(rows)]
    if remote.any():
        found = rows["path"][remote].map(fetched.__getitem__)
        failed = found[[record.reason is not None for record in found]]
        reasons = [(record.reason.value, record.detail) for record in failed]
        refused.append(_refusals(rows.loc[failed.index], pd.DataFrame(reasons, failed.index, ["reason", "detail"])))
        copies = pd.Series([record.path for record in found], found.index)
        rows = rows.assign(**{ADDRESS: rows["path"].where(remote, ""), "path": rows["path"].mask(remote, copies)})
    rejects = pd.concat(refused)
    kept = rows.drop(index=rejects.index) if len(rejects) else rows
    return kept.drop(columns=REASON, errors="ignore"), table(rejects, REJECTS)


def _remote(paths: "pd.Series[str]") -> "pd.Series[bool]":
    return paths.str.contains("://", regex=False).astype(bool)


def _refused_by_source(rows: pd.DataFrame) -> pd.DataFrame:
    chosen = rows[rows[REASON] != ""] if REASON in rows else rows.iloc[:0].assign(**{REASON: ""})
    return _refusals(chosen, chosen[[REASON, PROBLEM]].set_axis(["reason", "detail"], axis=1))


def _refusals(rows: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    return rows.reindex(columns=["clip_id", "path"], fill_value="").join(reasons)


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


def check_rows(
    manifest: Iterable[Mapping[str, str]], capabilities: Capabilities, limits: Limits
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide a manifest's rows into those that may become clips and those that cannot.

    Returns:
        Tables of the columns `CHECKED` and, of refused rows, `REJECTS`, both in the manifest's order.
    """
    checked = TableBuilder(CHECKED)
    refused = TableBuilder(REJECTS)
    seen: set[str] = set()
    names = FileNames()
    for record in manifest:
        try:
            row = check_row(record, capabilities)
            if row["feed"] != CAPTURE:  # what a captured clip is depends on what it holds
                _check_unseen(row["clip_id"], seen)
                seen.add(row["clip_id"])
            if row["path"]:
                row["path"] = names.find(row["path"])
                row["probe_key"] = probe_key(row["path"], limits)
            checked.append(dict(row))
        except BadClipError as error:
            refused.append(_refusal(record, error))
    return checked.table(), refused.table()


def admit_rows(
    checked: Iterable[Mapping[str, str]], probes: Mapping[str, Probed], tombstones: Tombstones = NOTHING_ERASED
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add to checked rows what probing found, and names to those that have none.

    A clip without a name is called by the SHA-256 of its media, else of its text. A captured clip that carries the
    id of another is that clip if media and text are the same, and has a name of its own otherwise.

    Returns:
        Tables of the columns `ADMITTED`, captured clips last, and, of refused rows, `REJECTS`.
    """
    admitted = TableBuilder(ADMITTED)
    refused = TableBuilder(REJECTS)
    seen: dict[str, Content] = {}
    captured: list[dict[str, object]] = []
    for row in checked:
        try:
            hashes = {"text_sha256": text_sha256(row["text"]) if row["text"] else ""}
            clip = {**row, **_media(row, probes), **hashes}
            _check_not_erased(str(clip["media_sha256"] or clip["text_sha256"]), tombstones)
            clip["clip_id"] = row["clip_id"] or clip["media_sha256"] or clip["text_sha256"]
            if row["feed"] == CAPTURE:
                captured.append(clip)
                continue
            _check_unseen(str(clip["clip_id"]), seen)
            seen[str(clip["clip_id"])] = _content(clip)
            admitted.append(clip)
        except BadClipError as error:
            refused.append(_refusal(row, error))
    for clip in _named_apart(captured, seen):
        admitted.append(clip)
    return admitted.table(), refused.table()


def _named_apart(captured: Iterable[dict[str, object]], seen: dict[str, Content]) -> Iterator[dict[str, object]]:
    """Leave out the captured clips that are others, and rename those that only carry the id of another."""
    same = renamed = 0
    for clip in captured:
        name, content = str(clip["clip_id"]), _content(clip)
        if name in seen and seen[name] != content:
            name = f"{name}-{text_sha256('/'.join(content))[:_NAME]}"
            renamed += 1
        if name in seen:
            same += 1
            continue
        seen[name] = content
        yield clip | {"clip_id": name}
    if same or renamed:
        _log.info(
            "of the captured clips that carry another clip's id, %d are that clip, and %d have another content and got "
            "names of their own", same, renamed,
        )  # fmt: skip


def _content(clip: Mapping[str, object]) -> Content:
    return str(clip["media_sha256"]), str(clip["text_sha256"])


def _check_unseen(clip_id: str, seen: Container[str]) -> None:
    if clip_id and clip_id in seen:
        raise BadClipError(Reason.DUPLICATE_ID, f"an earlier row is called {clip_id!r}")


def _check_not_erased(content: str, tombstones: Tombstones) -> None:
    if tombstones.entries and tombstones.knows(CONTENT, content):
        raise BadClipError(Reason.ERASED, REMEDY)


def _media(row: Mapping[str, str], probes: Mapping[str, Probed]) -> dict[str, object]:
    if not row["probe_key"]:
        return dict(TEXT_ONLY)
    probed = probes[row["probe_key"]]
    if probed.facts is None:
        raise BadClipError(probed.reason or Reason.CRASHED, probed.detail)
    facts = vars(probed.facts)
    return {name: facts["sha256" if name == "media_sha256" else name] for name in TEXT_ONLY}


def _refusal(row: Mapping[str, str], error: BadClipError) -> dict[str, object]:
    place = {name: row.get(name, "").strip() for name in ("clip_id", "path")}
    return {**place, "reason": error.reason.value, "detail": error.detail}

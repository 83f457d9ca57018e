"""Rows whose media lie behind addresses, given the copies on this machine."""

from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core import records
from cu_pipeline.ingest.formats import PROBLEM, REASON
from cu_pipeline.media.fetch_log import Fetched

ADDRESS = "media_address"
"""Column that tells where fetched media come from."""


def addresses(rows: pd.DataFrame) -> list[str]:
    """Give the addresses of media, each once."""
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
    return kept.drop(columns=REASON, errors="ignore"), records.table(rejects, records.REJECTS)


def _remote(paths: "pd.Series[str]") -> "pd.Series[bool]":
    return paths.str.contains("://", regex=False).astype(bool)


def _refused_by_source(rows: pd.DataFrame) -> pd.DataFrame:
    chosen = rows[rows[REASON] != ""] if REASON in rows else rows.iloc[:0].assign(**{REASON: ""})
    return _refusals(chosen, chosen[[REASON, PROBLEM]].set_axis(["reason", "detail"], axis=1))


def _refusals(rows: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    return rows.reindex(columns=["clip_id", "path"], fill_value="").join(reasons)

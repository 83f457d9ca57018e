"""Where clips come from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import pandas as pd

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.rows import Rows, rows_of, stacked
from cu_pipeline.ingest.capture import read_capture
from cu_pipeline.ingest.folder import read_folder
from cu_pipeline.ingest.huggingface import read_huggingface
from cu_pipeline.ingest.manifest import SOURCE, read_manifest
from cu_pipeline.ingest.served_clips import read_served
from cu_pipeline.ingest.sql import read_sql
from cu_pipeline.ingest.webdataset import read_webdataset
from cu_pipeline.media.options import Limits


class Feed(Protocol):
    """Where clips come from."""

    def __call__(self, place: str, limits: Limits) -> Rows | pd.DataFrame:
        """Read all rows.

        Args:
            place: what stands in the parameter `manifest`, without the feed's name.
            limits: `max_bytes` holds for each media file that the feed itself contains.

        Returns:
            A manifest's columns as text, absent values "". `path` is in the form that tables keep. A row that could
            not be read says why in the column `_problem`.

        Raises:
            ManifestError: the feed cannot be read at all.
        """
        ...


FEEDS: Final[dict[str, Feed]] = {
    "capture": read_capture,
    "folder": read_folder,
    "huggingface": read_huggingface,
    "manifest": read_manifest,
    "served": read_served,
    "sql": read_sql,
    "webdataset": read_webdataset,
}
"""Feeds by the name that may stand before a colon in the parameter `manifest`."""


def read_feeds(places: Sequence[str], limits: Limits, others: Mapping[str, Feed] | None = None) -> Rows:
    """Read several feeds, one below the other.

    Args:
        places: of each, `NAME`, `NAME:PLACE`, or a manifest's place alone.
        limits: what a media file may cost.
        others: feeds beside those in `FEEDS`, by name.

    Returns:
        What a `Feed` gives, and a column that tells where each row comes from.

    Raises:
        ManifestError: a feed cannot be read at all.
    """
    feeds = FEEDS | dict(others or {})
    return stacked([_read(place, limits, feeds) for place in places])


def _read(place: str, limits: Limits, feeds: Mapping[str, Feed]) -> Rows:
    name, _, rest = place.partition(":")
    if name not in feeds:
        _check_known(place, feeds)
        name, rest = "manifest", place
    try:
        found = feeds[name](rest, limits)
    except OSError as error:
        raise ManifestError(f"source {place!r} cannot be read: {type(error).__name__}: {error}") from error
    rows = rows_of(found) if isinstance(found, pd.DataFrame) else found
    return rows.changed(lambda batch: pd.DataFrame({SOURCE: place}, batch.index), [SOURCE], [])


def _check_known(place: str, feeds: Mapping[str, Feed]) -> None:
    name, colon, _ = place.partition(":")
    if colon and "://" not in place and name.isidentifier() and not from_stored(str(Path(place).expanduser())).exists():
        raise ManifestError(
            f"source {place!r}: {name!r} is unknown. Allowed: {', '.join(sorted(feeds))}, or a manifest"
        )

"""Rows of containers that hold the media themselves, each container unpacked once while it stays the same."""

from collections.abc import Callable, Iterable

import pandas as pd

from cu_pipeline.core.atomic import atomic_path
from cu_pipeline.core.counters import count
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.paths import from_stored
from cu_pipeline.ingest.formats import Record
from cu_pipeline.ingest.manifest import to_frame
from cu_pipeline.ingest.media_store import FOLDER

VERSION = 1
"""Of how containers are read: another one reads them again."""


def extract_once(key: object, read: Callable[[], Iterable[Record]]) -> pd.DataFrame:
    """Give the rows of a container, from an earlier run's list while all copies of its media are there.

    Args:
        key: what tells the container's content and how it is read; fit for JSON.
        read: reads the rows and puts the media into the media store; `path` is in the form that tables keep.
    """
    listing = from_stored(str(FOLDER / "extracted" / f"{json_sha256([VERSION, key])}.parquet"))
    count("media_extracted", 0)
    if listing.is_file():
        frame = pd.read_parquet(listing)
        if all(from_stored(path).is_file() for path in frame["path"] if path):
            return frame
    frame = to_frame(read())
    frame = frame.assign(path=frame.get("path", ""))
    with atomic_path(listing) as temporary:
        frame.to_parquet(temporary)
    return frame

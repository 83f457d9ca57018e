"""Records removed by hand, from wherever they are."""

from datetime import datetime
from pathlib import Path
from typing import Final

from cu_pipeline.inference.prediction_log.day_files import outdated
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.sources import opened

AT_ONCE: Final = 1000


def count_before(place: str | Path, before: datetime) -> int:
    """Count the rows of before a moment: answers, shadows and feedback, and requests that were sampled out.

    Raises:
        StoreError: the database cannot be read.
    """
    with opened(Place.of(place)) as database:
        return database.count(before) if database else 0


def purge_before(place: str | Path, before: datetime) -> int:
    """Remove the rows of before a moment, and the files of days before it; the spool is soon moved and is left.

    Returns:
        How many rows went.

    Raises:
        StoreError: the database cannot be used.
        OSError: a file cannot be removed.
    """
    where = Place.of(place)
    for path in outdated(where.folder, before.date()):
        path.unlink(missing_ok=True)
    removed = 0
    with opened(where) as database:
        while database and (part := database.purge(before, AT_ONCE)):
            removed += part
    return removed

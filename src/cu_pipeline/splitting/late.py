"""Units that are for testing because of when their clips were posted."""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime

from cu_pipeline.splitting.options import in_utc

_log = logging.getLogger(__name__)


def late_units(units: Sequence[str], posted_at: Iterable[str], test_from: datetime | None) -> set[str]:
    """Give the units with a clip posted at or after a moment; none where there is no such moment.

    A unit goes as a whole, with its clips from before: else a creator, or a copy, would be in two splits. A clip
    without a date counts as posted before.

    Args:
        units: the name of each clip's unit.
        posted_at: of each clip, ISO 8601; UTC if it has no zone; "" when unknown.
        test_from: the moment, with a zone.
    """
    if test_from is None:
        return set()
    posted_at = list(posted_at)
    after = [bool(moment) and in_utc(moment) >= test_from for moment in posted_at]
    late = {unit for unit, is_after in zip(units, after, strict=True) if is_after}
    drawn = sum(unit in late for unit in units) - sum(after)
    undated = sum(not moment for moment in posted_at)
    _log.info(
        "test from %s: %d clips posted since, and %d earlier ones of the same units; %d clips without a date count as "
        "earlier",
        *(test_from.isoformat(), sum(after), drawn, undated),
    )
    return late

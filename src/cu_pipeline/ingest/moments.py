"""When a clip was posted, in the forms that feeds have."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER: Final = re.compile(r"[+-]?\d+(?:[.,]\d*)?(?:[eE][+-]?\d{1,2})?")
_DAY: Final = re.compile(r"\d{8}")
_RFC_2822: Final = re.compile(
    r"(?:[A-Za-z]{3},\s*)?\d{1,2}\s+[A-Za-z]{3}\s+\d{4}\s+\d{1,2}:\d{2}(?::\d{2})?(?:\s+\S.*)?"
)

_UNITS: Final = ((Decimal(10) ** 11, 0), (Decimal(10) ** 14, 3), (Decimal(10) ** 17, 6), (Decimal(10) ** 20, 9))
"""Below which a number counts seconds, milli-, micro- or nanoseconds, and its decimal places of a second."""

_YEARS: Final = range(1990, 2100)
"""In which something was posted; a number that means another year means something else, such as days."""


def moment(given: str) -> str:
    """Write a moment in ISO 8601; "" for none.

    Args:
        given: ISO 8601, which stays as it is; Unix time in seconds, milli-, micro- or nanoseconds; or RFC 2822.

    Raises:
        ValueError: it is nothing of that, or a number that is no moment between 1990 and 2099.

    >>> moment("1772438400"), moment("1772438400500"), moment("Mon, 02 Mar 2026 09:00:00 +0100")
    ('2026-03-02T08:00:00+00:00', '2026-03-02T08:00:00.500000+00:00', '2026-03-02T09:00:00+01:00')
    """
    if not given:
        return ""
    if _NUMBER.fullmatch(given) and not _is_day(given):
        return _of_unix_time(given)
    try:
        if _RFC_2822.fullmatch(given):
            told = parsedate_to_datetime(given)
            return (told if told.tzinfo else told.replace(tzinfo=UTC)).isoformat()
        datetime.fromisoformat(given)
    except ValueError as error:
        raise ValueError(
            f"posted_at {given!r} is not ISO 8601, such as 2026-03-02T08:00:00Z, nor Unix time nor RFC 2822"
        ) from error
    return given


def _is_day(given: str) -> bool:
    """Whether digits are a day as ISO 8601 writes it without dashes, such as 20260302."""
    try:
        return _DAY.fullmatch(given) is not None and bool(datetime.fromisoformat(given))
    except ValueError:
        return False


def _of_unix_time(given: str) -> str:
    number = Decimal(given.replace(",", "."))
    places = next((places for bound, places in _UNITS if abs(number) < bound), None)
    if places is not None:
        posted = _EPOCH + timedelta(microseconds=int(number.scaleb(6 - places)))
        if posted.year in _YEARS:
            return posted.isoformat()
    raise ValueError(
        f"posted_at {given!r} is no Unix time between {_YEARS[0]} and {_YEARS[-1]}: give seconds or milliseconds since "
        "1970, or ISO 8601, such as 2026-03-02T08:00:00Z"
    )

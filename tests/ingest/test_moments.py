from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.ingest.moments import moment
from cu_pipeline.splitting.options import in_utc

NOON = "2026-03-02T12:00:00Z"
SECONDS = 1772452800


@pytest.mark.parametrize(
    "given",
    [
        str(SECONDS),
        f"{SECONDS}.0",
        "1.7724528e9",
        f"{SECONDS}000",
        f"{SECONDS}000000",
        f"{SECONDS}000000000",
        "Mon, 02 Mar 2026 12:00:00 GMT",
        "Mon, 02 Mar 2026 12:00:00 -0000",
        "2 Mar 2026 13:00 +0100",
        "2026-03-02 13:00+01:00",
    ],
)
def test_one_instant_in_many_forms(given):
    assert in_utc(moment(given)) == in_utc(NOON)


@given(st.datetimes(datetime(1990, 1, 1), datetime(2099, 12, 31)))
def test_unix_seconds_and_milliseconds_are_the_instant_that_they_count_to(when):
    when = when.replace(microsecond=when.microsecond // 1000 * 1000, tzinfo=UTC)
    if when.timestamp() < 1e11 / 1000:  # fewer milliseconds are taken for seconds
        return
    assert in_utc(moment(f"{when.timestamp():.3f}")) == when
    assert in_utc(moment(str(round(when.timestamp() * 1000)))) == when


def test_parts_of_a_second_stay():
    assert in_utc(moment(f"{SECONDS}.25")).microsecond == 250_000
    assert in_utc(moment(f"{SECONDS},25")).microsecond == 250_000
    assert in_utc(moment(f"{SECONDS}250")).microsecond == 250_000


@pytest.mark.parametrize("given", ["2026-03-02", "20260302", "2026-03-02T08:00:00Z", "2026-03-02 08:00", ""])
def test_iso_stays_as_it_is(given):
    assert moment(given) == given


def test_the_first_and_last_moment_that_a_number_may_mean():
    first, last = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1990, 2100))
    assert moment(str(first)) == "1990-01-01T00:00:00+00:00"
    assert moment(str(last - 1)) == "2099-12-31T23:59:59+00:00"
    for beyond in (first - 1, last):
        with pytest.raises(ValueError, match="is no Unix time between 1990 and 2099"):
            moment(str(beyond))


@pytest.mark.parametrize("given", ["0", "-5", "45352.5", "1e99", "99999999999999999999999"])
def test_numbers_that_are_no_moment_say_so(given):
    with pytest.raises(ValueError, match="give seconds or milliseconds since 1970"):
        moment(given)


@pytest.mark.parametrize("given", ["03/02/2026", "yesterday", "Mon, 99 Mar 2026 12:00:00 GMT", "20261399", "2026"])
def test_what_is_no_moment_is_refused(given):
    with pytest.raises(ValueError, match="posted_at"):
        moment(given)

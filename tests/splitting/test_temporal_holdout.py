import logging
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cu_pipeline.core.records import DUPLICATES, LEFT_OUT, SPLITS, Split, table
from cu_pipeline.splitting.assignment import divide, split_of, temporal_holdout
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.placements import division

FROM = datetime(2026, 3, 1, tzinfo=UTC)
OPTIONS = SplitOptions(test_from="2026-03-01")

moments = st.just("") | st.integers(-3, 3).map(lambda days: (FROM + timedelta(days=days)).isoformat())
clips = st.tuples(st.sampled_from(["", "a", "b", "c", "d"]), st.sampled_from("stuvwxyz"), moments)
feeds = st.lists(st.lists(clips, max_size=6), min_size=1, max_size=4)


def collect(feed, ledger, options=OPTIONS):
    """Divide creators, contents and dates into groups that may be of any size."""
    rows = [
        (str(place), creator, "", posted_at, content, "") for place, (creator, content, posted_at) in enumerate(feed)
    ]
    columns = ["clip_id", "creator", "text", "posted_at", "media_sha256", "text_sha256"]
    clips = pd.DataFrame(rows, columns=columns, dtype="object")
    free = options.model_copy(update={"largest_unit": 1.0})
    divided, ledger = divide(clips, table([], DUPLICATES), ledger, free)
    return divided["group"].tolist(), divided["split"].tolist(), ledger


@settings(max_examples=60)
@example([[("", "s", ""), ("", "v", "")], [("a", "s", ""), ("a", "v", "")]])
@given(feeds)
def test_nothing_posted_since_is_learned_from_and_what_was_tested_never_is(parts):
    feed, ledger, tested = [], table([], SPLITS), set()
    for part in parts:
        feed = feed + part
        units, splits, ledger = collect(feed, ledger)
        late = {unit for unit, (*_, moment) in zip(units, feed, strict=True) if moment >= FROM.isoformat()}
        placed = {(unit, split) for unit, split in zip(units, splits, strict=True) if split != LEFT_OUT}
        split_of_unit = dict(placed)
        assert all(split_of_unit.get(unit, Split.TEST) == Split.TEST for unit in late)
        assert len(placed) == len(split_of_unit)
        for place, split in enumerate(splits):
            assert not (place in tested and split == Split.TRAIN)
            if split == Split.TEST:
                tested.add(place)


@settings(max_examples=40)
@given(st.lists(clips, max_size=12))
def test_only_units_with_a_clip_since_are_for_testing(feed):
    units, splits, _ = collect(feed, table([], SPLITS))
    late = {unit for unit, (*_, moment) in zip(units, feed, strict=True) if moment >= FROM.isoformat()}
    assert {unit for unit, split in zip(units, splits, strict=True) if split == Split.TEST} == late


@settings(max_examples=30)
@given(feeds)
def test_collecting_again_changes_nothing(parts):
    feed = [clip for part in parts for clip in part]
    _, splits, ledger = collect(feed, table([], SPLITS))
    _, again, same = collect(feed, ledger)
    assert again == splits
    assert same.equals(ledger)


def test_a_unit_is_for_testing_also_after_its_late_clip_is_gone():
    before, late = ("a", "x", "2026-02-01"), ("a", "y", "2026-03-02")
    _, _, ledger = collect([before, late], table([], SPLITS))
    assert collect([before], ledger)[1] == [Split.TEST]


@pytest.mark.parametrize(
    ("posted_at", "is_late"),
    [
        ("2026-03-01", True),
        ("2026-02-28T23:59:59", False),
        ("2026-03-01T00:30:00+01:00", False),
        ("2026-02-28T23:30:00-01:00", True),
        ("20260301", True),
        ("", False),
    ],
)
def test_zones_count_and_utc_is_meant_where_there_is_none(posted_at, is_late):
    assert late_groups([0], [posted_at], FROM) == ([0] if is_late else [])


def late_groups(groups, posted_at, test_from):
    dates = pa.array(posted_at, pa.large_string())
    return np.flatnonzero(temporal_holdout(np.array(groups), dates, test_from, max(groups) + 1)).tolist()


def test_the_cost_is_told(caplog):
    with caplog.at_level(logging.INFO, "cu_pipeline"):
        late_groups([0, 0, 0, 1, 2], ["2026-03-02", "2026-02-01", "", "2026-02-01", ""], FROM)
    assert "1 clips posted since, and 2 earlier ones of the same groups; 2 clips without a date" in caplog.text


def test_no_date_is_the_division_as_it_was():
    assert late_groups([0], ["2026-03-02"], None) == []
    assert division(SplitOptions()) == "27235f9b299a"


def test_each_date_is_a_division_of_its_own_however_it_is_written():
    dates = ("2026-03-01", "2026-03-01T01:00:00+01:00", "2026-04-01")
    first, same, other = (division(SplitOptions(test_from=date)) for date in dates)
    assert first == same
    assert len({first, other, division(SplitOptions())}) == 3


def test_the_rest_is_divided_in_the_proportion_of_its_shares():
    options = SplitOptions(train=0.6, validation=0.2, test=0.2, test_from="2026-03-01")
    found = [split_of(str(number), options) for number in range(20_000)]
    assert found.count(Split.TRAIN) / 20_000 == pytest.approx(0.75, abs=0.015)
    assert found.count(Split.TEST) == 0


@pytest.mark.parametrize("value", [20260301, "03/01/2026", "soon", True])
def test_a_date_that_is_none_is_refused(value):
    with pytest.raises(ValidationError, match=r"ISO|isoformat"):
        SplitOptions(test_from=value)


def test_something_must_be_left_to_learn_from():
    with pytest.raises(ValidationError, match="nothing would be left to learn from"):
        SplitOptions(train=0, validation=0.5, test=0.5, test_from="2026-03-01")

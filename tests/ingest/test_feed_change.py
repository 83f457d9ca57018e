import logging

import pandas as pd
import pytest

from cu_pipeline.core.errors import ForeignFeedError
from cu_pipeline.core.rows import Rows, rows_of
from cu_pipeline.ingest.feed_change import check_feed_change

STORED = pd.DataFrame([{"clip_id": "a", "path": "", "raw_text": "one", "media_sha256": "", "bytes": 0}])
CLIPS, NOTHING = rows_of(STORED), rows_of(STORED.iloc[:0])
LOST = rows_of(pd.DataFrame(columns=["clip_id", "path", "text", "_source"]))


def rows(*texts: str, source: str = "") -> Rows:
    return rows_of(pd.DataFrame({"clip_id": "", "path": "", "text": list(texts), "_source": source}))


def check(new: Rows, places: list[str], stored: str = "own.csv", *, replace: bool = False) -> None:
    check_feed_change(new, rows("one", source=stored), CLIPS, places, replace=replace)


def test_a_foreign_feed_is_refused_with_both_names_counts_and_the_ways_out() -> None:
    with pytest.raises(ForeignFeedError) as refused:
        check(rows("two", "three"), ["a, b.csv", "c.csv"])
    said = str(refused.value)
    assert "'a, b.csv;c.csv' (2 rows) shares no clip with what this project holds, 1 clips of 'own.csv'" in said
    assert r"kedro run --params 'collect.manifest=a\, b.csv;c.csv' --replace, or make run with REPLACE=1" in said
    assert "to go on with what is stored: kedro run --params collect.manifest=own.csv\n" in said
    assert r"to have both: kedro run --params 'collect.manifest=own.csv;a\, b.csv;c.csv'" in said


def test_the_generated_sample_is_no_exception_over_a_feed_and_none_over_another_sample() -> None:
    with pytest.raises(ForeignFeedError, match="'sample'") as refused:
        check(rows("two"), ["sample"])
    assert "to have both" not in str(refused.value)
    with pytest.raises(ForeignFeedError, match="'sample'"):
        check(rows("two"), ["sample"], stored="sample")


def test_a_first_feed_of_ones_own_takes_the_place_of_the_sample_and_says_so(caplog) -> None:
    with caplog.at_level(logging.INFO, "cu_pipeline"):
        check(rows("two"), ["own.csv"], stored="sample")
    assert "1 rows of 'own.csv' take the place of 1 clips of 'sample'" in caplog.text
    assert "people's answers" in caplog.text


def test_a_replacement_that_was_asked_for_is_told(caplog) -> None:
    with caplog.at_level(logging.INFO, "cu_pipeline"):
        check(rows("two"), ["b.csv"], replace=True)
    assert "1 rows of 'b.csv' take the place of 1 clips of 'own.csv'" in caplog.text


@pytest.mark.parametrize("places", [["own.csv"], ["b.csv"]])
def test_one_shared_clip_is_enough_and_another_feed_is_told(places, caplog) -> None:
    with caplog.at_level(logging.INFO, "cu_pipeline"):
        check(rows("two", "one"), places)
    told = "the feed is now 'b.csv': 1 of its 2 rows are clips of what is stored, 1 clips of 'own.csv'"
    assert (told in caplog.text) == (places == ["b.csv"])


def test_a_project_without_stored_clips_takes_any_feed() -> None:
    check_feed_change(rows("two"), rows("one"), NOTHING, ["b.csv"], replace=False)


def test_stored_clips_without_the_manifest_that_names_their_feed_are_guarded() -> None:
    with pytest.raises(ForeignFeedError, match=r"holds, 1 clips\. Nothing was changed"):
        check_feed_change(rows("two"), LOST, CLIPS, ["b.csv"], replace=False)
    check_feed_change(rows("one"), LOST, CLIPS, ["b.csv"], replace=False)

import re

import numpy as np
import pytest
from tests.drift_files import LONG, cause_told, clips_told, drift_told, one_test

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.drift.options import HistoryOptions
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.reports.drift_columns import Columns, drift_columns
from cu_pipeline.reports.drift_history import past_look
from cu_pipeline.reports.drift_page import drift_page, is_page_of
from cu_pipeline.reports.drift_pictures import GONE, OFF, DriftPictures, drift_pictures
from cu_pipeline.reports.drift_plots import distributions, forest, mixes, timelines
from cu_pipeline.reports.drift_told import read_drift

HOSTILE = "<script>alert(1)</script> {{ 7 * 7 }}"


def columns_of(told, traffic=None):
    found = clips_told(60, shift=0.9, seed=2) if traffic is None else traffic
    return drift_columns(told, {"topic": clips_told(120, seed=1)}, found, {"topic": Kind.SINGLE})


def page_of(found, columns=None, pictures=None, evidently="<p>of Evidently</p>"):
    told = read_drift(found)
    shown = columns_of(told) if columns is None else columns
    return drift_page(told, shown, pictures or DriftPictures(), [past_look(told, None)], evidently)


def words_of(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2].partition("<template>")[0]).split())


def test_the_decision_comes_first_and_notices_before_all_else():
    words = words_of(page_of(drift_told(notices=["the service does not serve the champions"])))
    places = [
        words.index(part)
        for part in (
            "no longer what the models learned from",
            "The service does not serve the champions.",
            "A new topic in 12 % of the clips: 宠物",
            "since 2026-03-03 14:00 UTC",
            "a new topic at 10 %: about 900 clips",
            "adjusted p",
            "not to be trusted",
        )
    ]
    assert places == sorted(places)
    assert "a fault: more than can be had" in words


def test_with_a_notice_no_drift_is_no_all_clear():
    page = page_of(drift_told("no_drift", all_clear=False, notices=["traffic was left out"]))
    assert "This is no all-clear." in page
    assert "The clips look like what the models learned from" not in page
    assert "The clips look like what the models learned from" in page_of(drift_told("no_drift"))
    assert "Nothing can be said yet: only the product" in page_of(drift_told("not_enough_data"), Columns())


def test_the_page_needs_nothing_but_itself_and_shows_foreign_text_as_text(foreign_loads):
    causes = [cause_told(in_words=HOSTILE)]
    found = drift_told(summary=HOSTILE, causes=causes, tests=[one_test(LONG, in_words=HOSTILE)])
    page = page_of(found)
    assert foreign_loads(page) == []
    assert "<script>alert(1)" not in page
    assert "{{ 7 * 7 }}" in page
    assert "default-src &#39;none&#39;" in page
    assert is_page_of(page, read_drift(found))
    assert not is_page_of(page, read_drift(found | {"notices": ["another"]}))
    assert "<template><p>of Evidently</p></template>" in page


def test_many_tests_are_all_there_and_the_first_ones_in_sight():
    tests = [one_test(f"fact_number_{number}", drifted=number % 5 == 0) for number in range(30)]
    page = page_of(drift_told(tests=tests), Columns())
    assert all(f"number {number}" in page for number in range(30))
    assert "16 more tests" in page


def test_effects_lie_on_one_scale_in_units_of_the_least_that_counts():
    tests = [
        one_test("a", effect=0.2, effect_low=0.1, effect_high=0.3, least_effect=0.1),
        one_test("b", effect=8.0, effect_low=6.0, effect_high=9.0, least_effect=4.0),
        one_test("c", effect=90.0, effect_low=1.0, effect_high=99.0, least_effect=1.0),
    ]
    plot = forest(read_drift(drift_told(tests=tests)))
    rows = {row.test.name: row for row in plot.rows}
    assert rows["a"].at == rows["b"].at == pytest.approx(2 * plot.line)
    assert (rows["c"].at, rows["c"].beyond, rows["a"].beyond) == (1.0, True, False)


def test_plots_show_values_before_and_now():
    told = read_drift(drift_told())
    columns = columns_of(told)
    (lasted, sure) = distributions(told, columns)
    assert (lasted.title, lasted.drifted, sure.title) == ("duration s", True, "confidence of topic")
    assert lasted.medians[1] > lasted.medians[0]
    (mix,) = mixes(told, columns)
    assert mix.rows[0][0] == "烹饪与美食"
    assert sum(now for _, _, now in mix.rows) == pytest.approx(1)
    counts, lacking = timelines(told, columns)
    assert (counts.title, lacking.title, lacking.share) == ("clips", "without caption", True)
    assert len(counts.bars) == 6
    assert counts.start == "2026-02-27"


def test_a_fact_that_was_held_against_several_models_is_drawn_once():
    capabilities = {"topic": clips_told(120, seed=1), "is_ad": clips_told(50, seed=3)}
    tests = [one_test("fact_duration_s_topic"), one_test("fact_duration_s_is_ad", drifted=True)]
    references = {name: {"versions": ["a"], "clips": 9, "units": 9} for name in capabilities}
    told = read_drift(drift_told(tests=tests, references=references))
    columns = drift_columns(told, capabilities, clips_told(60, shift=0.9), {})
    assert {name: len(before) for name, (before, _) in columns.pairs.items()} == {"fact_duration_s_is_ad": 50}
    assert [one.title for one in distributions(told, columns)] == ["duration s"]
    assert [row.name for row in forest(told).rows] == ["duration s (for is_ad)", "duration s (for topic)"]
    assert told.title("label_topic") == "classes of topic"


def test_values_that_are_all_equal_or_absent_are_drawn_too():
    told = read_drift(drift_told())
    traffic = clips_told(5).assign(duration_s=1.0, has_caption=np.nan)
    columns = columns_of(told, traffic)
    assert distributions(told, columns)
    assert [one.title for one in timelines(told, columns)] == ["clips"]
    assert timelines(told, columns_of(told, traffic.iloc[:0])) == []
    one = timelines(told, columns_of(told, traffic.iloc[:1]))[0]
    assert one.bars[0][1] == 1.0


@pytest.fixture
def kept(tmp_path, encode):
    store = CaptureStore(tmp_path / "capture")
    media = encode("clip.mp4")
    store.keep("r1", media, "ab" * 32, HOSTILE, {"clip_id": "theirs"})
    store.keep("r2", None, "", "only words", {})
    store.keep("other", None, "", "not asked for", {})
    return store.folder, media


def test_clips_of_a_cause_are_shown_beside_what_the_models_learned_from(kept, tmp_path):
    captures, media = kept
    blank = {"text": "ours", "path": "", "media_sha256": "", "has_audio": False, "bytes": 0}
    rows = [blank | {"clip_id": f"c{number:03}", "group": str(number)} for number in range(5)]
    rows[3] |= {"path": str(media), "media_sha256": "cd" * 32}
    told, references = read_drift(drift_told()), {"topic": clips_told(4)}
    made = drift_pictures(
        told, references, table(rows, CLIPS), captures, tmp_path / "small", HistoryOptions(), LocalMapper(1)
    )
    assert [card.text for card in made.now[0]] == [HOSTILE, "only words"]
    assert [card.clip_id for card in made.before] == ["c003"], "clips with media come before others"
    assert sorted(made.uris) == ["ab" * 32, "cd" * 32]
    page = page_of(drift_told(), pictures=made)
    assert page.count("data:image/jpeg;base64,") == 2
    assert "<script>alert(1)" not in page


def test_where_nothing_is_kept_there_are_no_pictures_and_the_page_says_why(kept, tmp_path):
    def notes(captures, **other):
        told = read_drift(drift_told(**other))
        made = drift_pictures(told, {}, table([], CLIPS), captures, tmp_path, HistoryOptions(), LocalMapper(1))
        assert (made.now, made.before, made.uris) == ({}, [], {})
        return made.note

    assert notes(tmp_path / "nowhere") == OFF
    assert notes(kept[0], causes=[cause_told(request_ids=["gone"])]) == GONE
    assert notes(kept[0], causes=[cause_told(request_ids=[])]) == ""
    assert "CU_PIPELINE_CAPTURE" in page_of(drift_told(), pictures=DriftPictures(note=OFF))

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.evaluation.baselines import find_shortcut

TOPICS = np.array(["cooking", "pets", "travel"])


def corpus(n, seed, *, telling):
    """Give n clips of 40 creators and their labels; `telling`: the file's size depends on the label."""
    chance = np.random.default_rng(seed)
    topic = chance.integers(3, size=n)
    size = 100_000 * (topic + 1 if telling else chance.integers(1, 4, n)) + chance.integers(50_000, size=n)
    clips = pd.DataFrame({"clip_id": [f"c{place}" for place in range(n)], "group": chance.integers(40, size=n)})
    clips = clips.assign(duration_s=chance.uniform(2, 9, n), width=216.0, height=384.0, fps=12.0, bytes=size)
    clips = clips.assign(has_audio=True, codec="h264", text="x", posted_at="2026-03-02T10:00:00Z")
    clips["group"] = clips["group"].astype(str)
    return table(clips, CLIPS), pd.Series(TOPICS[topic], index=clips["clip_id"])


def test_a_fact_that_goes_with_the_label_is_found_and_named():
    found = find_shortcut(*corpus(200, 1, telling=True), seed=0)
    assert found.n == 200
    assert found.accuracy > 0.9 > 0.5 > found.majority
    assert found.p_value < 1e-6
    assert next(iter(found.telling)) == "bytes"


@pytest.mark.slow
def test_facts_that_say_nothing_raise_no_alarm():
    alarms = [find_shortcut(*corpus(120, seed, telling=False), seed=0).p_value < 0.01 for seed in range(10)]
    assert sum(alarms) <= 1


def test_equal_data_give_equal_findings():
    assert find_shortcut(*corpus(60, 3, telling=False), seed=5) == find_shortcut(*corpus(60, 3, telling=False), seed=5)


@pytest.mark.slow
def test_another_seed_is_another_forest():
    assert find_shortcut(*corpus(60, 3, telling=False), seed=5) != find_shortcut(*corpus(60, 3, telling=False), seed=6)


def test_the_commonest_label_is_what_metadata_must_beat():
    clips, labels = corpus(200, 1, telling=False)
    topics = np.where(np.arange(200) % 4 == 0, "cooking", "travel")
    assert find_shortcut(clips, labels.mask(labels.notna(), topics), seed=0).majority == pytest.approx(0.75)


def test_what_only_tells_the_creator_is_no_shortcut():
    clips, _ = corpus(200, 1, telling=False)
    size = clips["group"].astype(int) * 1000.0
    topics = dict(enumerate(np.random.default_rng(0).choice(TOPICS, 40)))
    labels = pd.Series(clips["group"].astype(int).map(topics).to_numpy(), index=clips["clip_id"])
    assert find_shortcut(clips.assign(bytes=size), labels, seed=0).accuracy < 0.7


@pytest.mark.slow
def test_the_hour_of_posting_counts_in_utc():
    clips, labels = corpus(200, 1, telling=False)
    hour = labels.map({"cooking": "06:00:00+00:00", "pets": "08:00:00+02:00", "travel": "10:00:00+04:00"})
    same = find_shortcut(clips.assign(posted_at=("2026-03-02T" + hour).to_numpy()), labels, seed=0)
    assert "hour" not in same.telling
    other = find_shortcut(clips.assign(posted_at=("2026-03-02T" + hour.str[:2] + ":00:00Z").to_numpy()), labels, seed=0)
    assert next(iter(other.telling)) == "hour"
    assert other.accuracy == 1


@pytest.mark.parametrize("n", [0, 10])
def test_too_few_clips_are_not_judged(n):
    assert find_shortcut(*corpus(n, 1, telling=True), seed=0) is None


def test_one_label_is_not_judged():
    clips, labels = corpus(60, 1, telling=True)
    assert find_shortcut(clips, labels.map(lambda _: "pets"), seed=0) is None


def test_only_labelled_clips_are_judged_and_the_majority_is_the_labels():
    clips, labels = corpus(120, 5, telling=False)
    labels = labels.iloc[:80].where(labels.iloc[:80] == "pets", "travel")
    found = find_shortcut(clips, labels, seed=0)
    assert found.n == 80
    assert found.majority == pytest.approx((labels == "travel").mean())

import json

import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.core.decision import as_json, certainty, decide

SEVERAL = Capability(kind=Kind.MULTI, classes=("a", "b"))


def test_the_likeliest_class_is_chosen_with_its_probability():
    found = decide(np.array([[0.2, 0.5, 0.3]]), Capability(classes=("a", "b", "c")))
    assert found.labels == ["b"]
    assert found.holds.tolist() == [[False, True, False]]
    assert found.probability.tolist() == [0.5]


def test_classes_over_their_thresholds_hold():
    rows = np.array([[0.5, 0.9], [0.51, 0.9], [0.5, 0.6]])
    found = decide(rows, SEVERAL, {"b": 0.7})
    assert found.labels == ["b", "a|b", "none"]
    assert found.probability == pytest.approx([0.5 * 0.9, 0.51 * 0.9, 0.5 * 0.4])


def test_ties_are_broken_by_the_clips_id_even_handedly():
    rows = np.full((2000, 2), 0.5)
    ids = [f"clip {number}" for number in range(2000)]
    found = decide(rows, Capability(classes=("a", "b")), clip_ids=ids)
    assert found.labels.count("a") == pytest.approx(1000, abs=100)
    assert decide(rows, Capability(classes=("a", "b")), clip_ids=ids).labels == found.labels
    assert set(decide(rows, Capability(classes=("a", "b"))).labels) == {"a"}


def test_thresholds_belong_to_their_classes_and_not_to_places():
    unsorted = Capability(kind=Kind.MULTI, classes=("b", "a"))
    assert decide(np.array([[0.6, 0.6]]), unsorted, {"a": 0.7, "b": 0.4}).labels == ["b"]
    assert decide(np.array([[0.7, 0.7]]), unsorted, {"a": 0.7, "b": 0.4}).labels == ["b"]


def test_a_tie_is_only_among_the_likeliest_and_each_of_them_gets_its_share():
    rows = np.tile([0.1, 0.3, 0.3, 0.3], (3000, 1))
    ids = [f"clip {number}" for number in range(3000)]
    labels = decide(rows, Capability(classes=("a", "b", "c", "d")), clip_ids=ids).labels
    assert {name: labels.count(name) for name in "abcd"} == {
        "a": 0, **dict.fromkeys("bcd", pytest.approx(1000, abs=120)),
    }  # fmt: skip


def test_a_clips_label_does_not_depend_on_the_clips_beside_it():
    three, rows = Capability(classes=("a", "b", "c")), np.full((40, 3), 1 / 3)
    ids = [f"clip {number}" for number in range(40)]
    labels = decide(rows, three, clip_ids=ids).labels
    assert decide(rows, three, clip_ids=ids[::-1]).labels == labels[::-1]
    assert [decide(rows[:1], three, clip_ids=[one]).labels[0] for one in ids] == labels


def test_what_differs_is_no_tie():
    rows = np.array([[0.5 - 1e-9, 0.5 + 1e-9]] * 30)
    ids = [f"clip {number}" for number in range(30)]
    assert set(decide(rows, Capability(classes=("a", "b")), clip_ids=ids).labels) == {"b"}
    rounding = np.array([[0.5, 0.5 + 1e-15]] * 30)
    assert set(decide(rounding, Capability(classes=("a", "b")), clip_ids=ids).labels) == {"a", "b"}


def test_certainty_is_that_of_the_label_that_was_given_and_not_of_the_likeliest():
    single = certainty(np.array([[0.7, 0.3]]), np.array([[False, True]]), Kind.SINGLE)
    several = certainty(np.array([[0.9, 0.2]]), np.array([[False, True]]), Kind.MULTI)
    assert (single.tolist(), several.tolist()) == ([0.3], [pytest.approx(0.1 * 0.2)])


def test_probabilities_are_written_in_the_order_of_the_classes():
    text = as_json(np.array([0.12345678, 0.87654322]), ("ü", "a"))
    assert text == '{"ü": 0.123457, "a": 0.876543}'
    assert list(json.loads(text)) == ["ü", "a"]


def test_a_single_label_that_is_not_over_its_threshold_is_no_answer():
    topic = Capability(classes=("a", "b"))
    said = np.array([[0.7, 0.3], [0.6, 0.4], [0.3, 0.7]])
    found = decide(said, topic, {"a": 0.6, "b": 1.0})
    assert found.labels == ["a", "abstain", "abstain"]
    assert found.holds.tolist() == [[True, False], [False, False], [False, False]]
    assert found.probability.tolist() == [0.7, 0.6, 0.7]
    assert indicators(found.labels, topic).tolist() == found.holds.tolist()
    assert decide(said, topic, {"b": 0.9}).labels == ["a", "a", "abstain"]

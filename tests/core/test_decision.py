import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import decide

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


def test_only_equal_probabilities_are_a_tie():
    rows = np.tile([[0.499999, 0.500001, 0.0]], (50, 1))
    capability = Capability(classes=("a", "b", "c"))
    assert set(decide(rows, capability, clip_ids=[str(n) for n in range(50)]).labels) == {"b"}
    tied = np.tile([[0.1, 0.45, 0.45]], (200, 1))
    assert set(decide(tied, capability, clip_ids=[str(n) for n in range(200)]).labels) == {"b", "c"}

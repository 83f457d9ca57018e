import numpy as np

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decide import decide

TOPIC = Capability(classes=("a", "b", "c"))
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def test_the_likeliest_class_is_chosen() -> None:
    labels, certainty = decide(np.array([[0.2, 0.7, 0.1]]), TOPIC, ["1"])
    assert labels == ["b"]
    assert certainty.tolist() == [0.7]


def test_ties_are_broken_evenly_and_the_same_way_each_time() -> None:
    clip_ids = [str(number) for number in range(400)]
    tied = np.tile([0.4, 0.4, 0.2], (400, 1))
    labels, certainty = decide(tied, TOPIC, clip_ids)
    assert 150 < labels.count("a") < 250
    assert "c" not in labels
    assert set(certainty) == {0.4}
    assert decide(tied[::-1], TOPIC, clip_ids[::-1])[0] == labels[::-1]


def test_multi_labels_take_each_class_that_is_likelier_than_not() -> None:
    probabilities = np.array([[0.9, 0.8], [0.9, 0.5], [0.1, 0.2]])
    labels, certainty = decide(probabilities, SAFETY, ["1", "2", "3"])
    assert labels == ["advert|violence", "advert", "none"]
    assert np.allclose(certainty, [0.72, 0.45, 0.72])

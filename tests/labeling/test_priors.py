import numpy as np

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.priors import class_priors

TOPIC = Capability(classes=("a", "b"))
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def test_priors_count_people_on_training_clips_only(clips, votes) -> None:
    table = clips({"1": "", "2": "", "3": "", "4": ""}).assign(split=["train", "train", "train", "test"])
    topics = votes(("1", "ann", "a"), ("2", "ann", "a"), ("3", "ann", "b"), ("4", "ann", "b"))
    assert np.allclose(class_priors(table, topics, "topic", TOPIC), [3 / 5, 2 / 5])
    safety = votes(("1", "ann", "advert"), ("2", "ann", "none"), ("4", "ann", "violence"), capability="safety")
    assert np.allclose(class_priors(table, safety, "safety", SAFETY), [2 / 4, 1 / 4])
    assert np.allclose(class_priors(table, topics.iloc[:0], "topic", TOPIC), [1 / 2, 1 / 2])
    assert np.allclose(class_priors(table, safety.iloc[:0], "safety", SAFETY), [1 / 2, 1 / 2])

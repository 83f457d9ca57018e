"""Which clips count for a model, and which column of its predictions is which class."""

import json

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.evaluation.measurement import Judged

TOPIC = Capability(classes=("travel", "cooking", "pets"))


def clips_of(*splits):
    return pd.DataFrame({"clip_id": [f"c{n}" for n in range(len(splits))], "split": splits})


def labels_of(*rows):
    return pd.DataFrame(rows, columns=["clip_id", "capability", "source", "label"])


def predicted(*rows):
    table = pd.DataFrame(rows, columns=["clip_id", "label", "probabilities"])
    return table.assign(probabilities=table["probabilities"].map(json.dumps))


def test_columns_are_the_capabilitys_classes_in_its_order_whatever_order_the_predictions_have():
    labels = labels_of(("c0", "topic", "human", "cooking"), ("c1", "topic", "human", "travel"))
    judged = Judged.of("topic", TOPIC, clips_of("test", "test"), labels)
    answers = judged.answers(
        "test",
        predicted(
            ("c1", "pets", {"cooking": 0.1, "pets": 0.6, "travel": 0.3}),
            ("c0", "cooking", {"pets": 0.2, "travel": 0.1, "cooking": 0.7}),
        ),
    )
    np.testing.assert_allclose(answers.probabilities, [[0.1, 0.7, 0.2], [0.3, 0.1, 0.6]])
    assert answers.truth.tolist() == [[False, True, False], [True, False, False]]
    assert answers.decided.tolist() == [[False, True, False], [False, False, True]]
    assert answers.correct().tolist() == [True, False]


def test_only_what_people_said_of_this_capability_in_this_split_counts():
    labels = labels_of(
        ("c0", "topic", "human", "cooking"),
        ("c0", "mood", "human", "calm"),
        ("c1", "topic", "llm", "pets"),
        ("c2", "topic", "human", "pets"),
        ("c3", "topic", "human", "travel"),
        ("c4", "mood", "human", "calm"),
    )
    judged = Judged.of("topic", TOPIC, clips_of("test", "test", "validation", "left_out", "test"), labels)
    found = {split: clips[["clip_id", "label"]].to_numpy().tolist() for split, clips in judged.clips.items()}
    assert found == {"train": [], "validation": [["c2", "pets"]], "test": [["c0", "cooking"]]}


def test_the_labels_of_the_model_are_taken_as_they_are_and_not_decided_anew():
    """A model with a threshold of 0.2 for one class names it at 0.3."""
    several = Capability(kind=Kind.MULTI, classes=("violence", "advert"))
    judged = Judged.of("safety", several, clips_of("test"), labels_of(("c0", "safety", "human", "advert|violence")))
    answers = judged.answers("test", predicted(("c0", "advert|violence", {"advert": 0.3, "violence": 0.9})))
    assert answers.correct().all()
    assert answers.probabilities.tolist() == [[0.9, 0.3]]


def test_a_clip_that_two_labels_are_given_to_is_an_error():
    labels = labels_of(("c0", "topic", "human", "pets"), ("c0", "topic", "human", "travel"))
    with pytest.raises(pd.errors.MergeError):
        Judged.of("topic", TOPIC, clips_of("test"), labels)

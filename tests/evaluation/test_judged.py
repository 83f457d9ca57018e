"""Predictions beside people's labels."""

import json

import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.evaluation.judged import SOURCE, Judged

TOPICS = Capability(classes=("sport", "cooking", "pets"))


def clips(**split_of):
    return pd.DataFrame({"clip_id": list(split_of), "split": list(split_of.values())})


def labelled(source="human", capability="topic", **label_of):
    fixed = {"capability": capability, "source": source}
    return pd.DataFrame({"clip_id": list(label_of), "label": list(label_of.values()), **fixed})


def predicted(**given):
    """Give a table of predictions from clip -> (label, class -> probability)."""
    labels, probabilities = zip(*given.values(), strict=True)
    return pd.DataFrame(
        {"clip_id": list(given), "label": labels, "probabilities": list(map(json.dumps, probabilities))}
    )


def test_classes_and_clips_are_matched_by_name_whatever_their_order():
    judged = Judged.of("topic", TOPICS, clips(z="test", a="test", m="train"), labelled(a="pets", z="sport", m="pets"))
    table = predicted(
        m=("pets", {"cooking": 0.1, "pets": 0.8, "sport": 0.1}),
        a=("sport", {"cooking": 0.1, "pets": 0.2, "sport": 0.7}),
        z=("cooking", {"pets": 0.3, "cooking": 0.6, "sport": 0.1}),
    )
    answers = judged.answers("test", table)
    assert answers.truth.tolist() == [[True, False, False], [False, False, True]]
    assert answers.decided.tolist() == [[False, True, False], [True, False, False]]
    assert answers.probabilities.tolist() == [[0.1, 0.6, 0.3], [0.7, 0.1, 0.2]]


def test_what_was_decided_is_the_label_and_not_what_half_would_decide():
    several = Capability(kind=Kind.MULTI, classes=("advert", "violence"))
    judged = Judged.of("safety", several, clips(a="test"), labelled(capability="safety", a="advert"))
    answers = judged.answers("test", predicted(a=("advert", {"violence": 0.6, "advert": 0.45})))
    assert answers.decided.tolist() == answers.truth.tolist() == [[True, False]]


def test_only_peoples_labels_of_the_capability_are_held_against_predictions():
    labels = pd.concat(
        [labelled(a="pets"), labelled("llm", b="pets"), labelled(capability="mood", c="pets"), labelled(d="sport")]
    )
    judged = Judged.of("topic", TOPICS, clips(a="test", b="test", c="test", d="train"), labels)
    assert {split: table["clip_id"].tolist() for split, table in judged.clips.items()} == {
        "train": ["d"], "validation": [], "test": ["a"],
    }  # fmt: skip


def test_a_clip_that_two_labels_are_given_to_is_an_error():
    labels = pd.concat([labelled(a="pets"), labelled(a="sport")])
    with pytest.raises(pd.errors.MergeError):
        Judged.of("topic", TOPICS, clips(a="test"), labels)


def test_how_clips_came_to_people_is_told_by_the_draw_that_depends_on_them_most():
    rows = [("a", "human", ""), ("b", "human", ""), ("b", "human", "random"), ("c", "human", "value")]
    rows += [("c", "human", "random"), ("d", "llm", "")]
    annotations = pd.DataFrame(rows, columns=["clip_id", "kind", "draw"]).assign(capability="topic")
    others = annotations.assign(capability="mood", draw="value")
    four = clips(a="test", b="test", c="test", d="test")
    labels = labelled(a="pets", b="pets", c="pets", d="pets")
    judged = Judged.of("topic", TOPICS, four, labels, pd.concat([annotations, others]))
    assert judged.clips["test"][SOURCE].tolist() == ["given by the feed", "drawn at random", "chosen by value", ""]

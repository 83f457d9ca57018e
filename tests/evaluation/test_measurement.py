"""Predictions beside people's labels, and reports of known answers."""

import json

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import decide
from cu_pipeline.evaluation import measurement
from cu_pipeline.evaluation.baselines import BaselineData
from cu_pipeline.evaluation.measurement import EvaluateOptions, Judged, ask_baselines, baseline_report, model_report
from cu_pipeline.evaluation.metrics import ScoredClips

TOPICS = Capability(classes=("sport", "cooking", "pets"))
OPTIONS = EvaluateOptions(bootstrap_draws=100)


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


def scored(n, right):
    truth = np.eye(2, dtype=bool)[np.zeros(n, dtype=int)]
    return ScoredClips.decide(Kind.SINGLE, truth, np.eye(2)[(np.arange(n) >= right).astype(int)])


def test_each_split_has_its_own_numbers_and_test_alone_has_intervals():
    answers = {"train": scored(10, 10), "validation": scored(4, 1), "test": scored(8, 6)}
    report = model_report(answers, ["a", "b"], 0, OPTIONS)
    assert {split: (report[split]["n"], report[split]["accuracy"]) for split in answers} == {
        "train": (10, 1), "validation": (4, 0.25), "test": (8, 0.75),
    }  # fmt: skip
    assert [split for split in answers if "ci95" in report[split]] == ["test"]
    assert report["confusion"] == [[6, 2], [0, 0]]
    assert sum(point["n"] for point in report["reliability"]) == 8
    assert report["per_class"]["a"]["support"] == 8
    assert list(model_report({"train": scored(3, 3), "test": scored(0, 0)}, ["a", "b"], 0, OPTIONS)) == [
        "classes", "train",
    ]  # fmt: skip


def test_the_seed_and_the_number_of_draws_reach_the_intervals(monkeypatch):
    asked = []
    monkeypatch.setattr(measurement, "intervals", lambda *arguments: asked.append(arguments[2:]) or {})
    model_report({"test": scored(8, 6)}, ["a", "b"], 7, EvaluateOptions(bootstrap_draws=123))
    assert asked == [(7, 123)]


def test_baselines_learn_from_training_clips_and_are_measured_on_those_of_the_test():
    def data(words, truth):
        nothing = np.full((len(words), 6), np.nan)
        return BaselineData(words, {}, nothing, np.eye(2, dtype=bool)[truth])

    train = data(["ball goal"] * 6 + ["pan soup"] * 4, [0] * 6 + [1] * 4)
    test = data(["ball goal", "pan soup", "pan soup", "pan soup"], [1, 0, 0, 1])  # people say otherwise there
    report = baseline_report(ask_baselines(train, test, Kind.SINGLE), 0, OPTIONS)
    assert {name: (one["n"], one["accuracy"]) for name, one in report.items()} == {
        "majority": (4, 0.5), "tfidf_logistic": (4, 0.25), "characters_logistic": (4, 0.25),
    }  # fmt: skip


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_a_level_that_is_none_is_refused(alpha):
    with pytest.raises(ValueError, match="gate_alpha"):
        EvaluateOptions(gate_alpha=alpha)


def test_a_model_that_need_not_answer_is_measured_by_its_likeliest_class_and_by_what_it_answers():
    truth = np.eye(2, dtype=bool)[[0, 0, 1, 1]]
    said = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.45, 0.55]])
    topic = Capability(classes=("a", "b"))
    answers = {
        name: ScoredClips(Kind.SINGLE, truth, said, decide(said, topic, bars).holds)
        for name, bars in (("usual", {}), ("careful", {"a": 0.7, "b": 0.7}))
    }
    usual, careful = (
        model_report({"test": one, "train": one}, ["a", "b"], 0, EvaluateOptions(bootstrap_draws=100))
        for one in answers.values()
    )
    assert "answers" not in usual["test"]
    told = careful["test"].pop("answers")
    assert (told["coverage"], told["accuracy_answered"]) == (0.5, 1.0)
    assert set(told["ci95"]) == {"coverage", "accuracy_answered"}
    assert careful["train"]["answers"] == {"coverage": 0.5, "accuracy_answered": 1.0}
    assert careful["test"] == usual["test"]
    assert careful["test"]["accuracy"] == 0.75
    assert careful["confusion"] == usual["confusion"]
    assert (usual["per_class"]["b"]["precision"], careful["per_class"]["b"]["precision"]) == (pytest.approx(2 / 3), 1.0)

"""Reports of known answers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import decide
from cu_pipeline.evaluation.baselines import BaselineData
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.judged import Answered, ModelAnswers
from cu_pipeline.evaluation.measurement import EvaluateOptions, ask_baselines, baseline_report, model_report
from cu_pipeline.evaluation.metrics import METRICS, ScoredClips

BOOTSTRAP = Bootstrap(0, 100)


def clips(n, units=None):
    """A table of n clips, each of its own unit, or of so many units in turn."""
    places = [str(place % (units or n)) for place in range(n)]
    fixed = {"lang": "en", "feed": "f", "media_sha256": "m", "text_sha256": "t", "metadata": "{}", "duration_s": 3.0}
    return pd.DataFrame({"group": places, "creator": places}).assign(**fixed)


def scored(n, right):
    truth = np.eye(2, dtype=bool)[np.zeros(n, dtype=int)]
    return ScoredClips.decide(Kind.SINGLE, truth, np.eye(2)[(np.arange(n) >= right).astype(int)])


def model(cross_fitted=None, uncalibrated=None, **splits):
    found = {split: Answered(scored(0, 0), clips(0)) for split in ("train", "validation", "test")}
    found |= {split: Answered(answers, clips(len(answers))) for split, answers in splits.items()}
    asked = None if cross_fitted is None else Answered(cross_fitted, clips(len(cross_fitted), 5))
    return ModelAnswers("v1", ("a", "b"), np.array([0.5, 0.5]), found, asked, uncalibrated)


def test_each_split_has_its_own_numbers_and_test_alone_has_intervals():
    answers = {"train": scored(10, 10), "validation": scored(4, 1), "test": scored(8, 6)}
    report = model_report(model(**answers), BOOTSTRAP)
    assert {split: (report[split]["n"], report[split]["accuracy"]) for split in answers} == {
        "train": (10, 1), "validation": (4, 0.25), "test": (8, 0.75),
    }  # fmt: skip
    assert [split for split in answers if "ci95" in report[split]] == ["test"]
    assert set(report["test"]["ci95"]) == set(METRICS)
    assert report["confusion"] == [[6, 2], [0, 0]]
    assert sum(point["n"] for point in report["reliability"]) == 8
    assert report["per_class"]["a"]["support"] == 8
    assert report["selective"][-1]["risk"] == 0.25
    without = model_report(model(train=scored(3, 3)), BOOTSTRAP)
    assert without == {"model_version": "v1", "classes": ["a", "b"], "train": without["train"], "cross_fitted": None}


def test_clips_that_the_model_learned_from_are_measured_as_if_it_had_not_and_apart_from_the_test():
    report = model_report(model(train=scored(20, 20), test=scored(8, 6), cross_fitted=scored(20, 10)), BOOTSTRAP)
    assert (report["train"]["accuracy"], report["test"]["accuracy"]) == (1, 0.75)
    own = report["cross_fitted"]
    assert (own["n"], own["units"], own["accuracy"], len(own["ci95"])) == (20, 5, 0.5, len(METRICS))
    assert report["slices"]["n"] == 28


def test_calibration_is_told_before_and_after():
    truth = np.eye(2, dtype=bool)[[0] * 10]
    after = ScoredClips.decide(Kind.SINGLE, truth, np.tile([0.9, 0.1], (10, 1)))
    before = ScoredClips.decide(Kind.SINGLE, truth, np.tile([0.6, 0.4], (10, 1)))
    found = model_report(model(test=after, uncalibrated=before), BOOTSTRAP)
    assert found["calibration"]["after"] == {name: found["test"][name] for name in ("ece", "log_loss", "brier")}
    assert found["calibration"]["before"] == pytest.approx({"ece": 0.4, "log_loss": -np.log(0.6), "brier": 0.32})
    assert model_report(model(test=after), BOOTSTRAP)["calibration"]["before"] is None


def test_sets_are_measured_where_the_model_gives_them():
    """Two classes for the clips that are unsure, of which one in four has a class that the set lacks."""
    said = np.array([[0.9, 0.05, 0.05], [0.5, 0.45, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    truth = np.eye(3, dtype=bool)[[0, 1, 1, 0]]
    answers = model(test=ScoredClips.decide(Kind.SINGLE, truth, said))
    careful = replace(answers, classes=("a", "b", "c"), shares=np.full(3, 1 / 3), set_threshold=0.4)
    found = model_report(careful, BOOTSTRAP)["prediction_sets"]
    assert {name: found[name] for name in ("coverage", "classes", "alone")} == {
        "coverage": 0.75, "classes": 1.25, "alone": 0.75,
    }  # fmt: skip
    low, high = found["ci95"]
    assert low < 0.75 < high
    assert "prediction_sets" not in model_report(model(test=scored(8, 6)), BOOTSTRAP)


def test_the_seed_and_the_number_of_draws_reach_the_intervals():
    answers = model(test=scored(8, 6))
    found = [model_report(answers, Bootstrap(*one))["test"]["ci95"] for one in ((0, 100), (0, 100), (1, 100), (0, 101))]
    assert found[0] == found[1]
    assert found[2] != found[0] != found[3]


def test_baselines_learn_from_training_clips_and_are_measured_on_those_of_the_test():
    def data(words, truth):
        nothing = np.full((len(words), 6), np.nan)
        return BaselineData(words, {}, nothing, np.eye(2, dtype=bool)[truth])

    train = data(["ball goal"] * 6 + ["pan soup"] * 4, [0] * 6 + [1] * 4)
    test = data(["ball goal", "pan soup", "pan soup", "pan soup"], [1, 0, 0, 1])  # people say otherwise there
    answers = ask_baselines(train, test, Kind.SINGLE)
    report = baseline_report(answers, clips(4), None, BOOTSTRAP)
    assert {name: (one["n"], one["accuracy"]) for name, one in report.items()} == {
        "majority": (4, 0.5), "tfidf_logistic": (4, 0.25), "characters_logistic": (4, 0.25),
    }  # fmt: skip
    assert "gain" not in report["majority"]


def test_what_the_model_gains_over_each_baseline_is_the_difference_of_the_accuracies_shown():
    simple = {"good": scored(40, 39), "poor": scored(40, 10), "majority": scored(40, 10)}
    report = baseline_report(simple, clips(40, 20), Answered(scored(40, 39), clips(40, 20)), BOOTSTRAP)
    assert (report["good"]["gain"]["accuracy"], report["good"]["shown_better"]) == (0, False)
    gain = report["poor"]["gain"]
    assert gain["accuracy"] == pytest.approx(39 / 40 - report["poor"]["accuracy"])
    assert report["poor"]["shown_better"]
    assert gain["ci95"][0] > 0
    assert (report["good"]["beats_majority"], report["poor"]["beats_majority"]) == (True, False)


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
    usual, careful = (model_report(model(test=one, train=one), BOOTSTRAP) for one in answers.values())
    assert "answers" not in usual["test"]
    told = careful["test"].pop("answers")
    assert (told["coverage"], told["accuracy_answered"]) == (0.5, 1.0)
    assert set(told["ci95"]) == {"coverage", "accuracy_answered"}
    assert careful["train"]["answers"] == {"coverage": 0.5, "accuracy_answered": 1.0}
    assert careful["test"] == usual["test"]
    assert careful["test"]["accuracy"] == 0.75
    assert careful["confusion"] == usual["confusion"]
    assert (usual["per_class"]["b"]["precision"], careful["per_class"]["b"]["precision"]) == (pytest.approx(2 / 3), 1.0)

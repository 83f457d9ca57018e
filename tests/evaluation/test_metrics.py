import numpy as np
import pytest
from sklearn.metrics import f1_score

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import (
    METRICS,
    ScoredClips,
    accuracy,
    confusion,
    expected_calibration_error,
    intervals,
    macro_f1,
    per_class,
    reliability,
)


def single(n: int = 200, classes: int = 4, seed: int = 0) -> ScoredClips:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), n)
    truth = np.array([random.choice(classes, p=row) for row in probabilities])
    return ScoredClips.decide(Kind.SINGLE, np.eye(classes, dtype=bool)[truth], probabilities)


def test_macro_f1_agrees_with_scikit_learn():
    answers = single()
    expected = f1_score(answers.truth.argmax(1), answers.decided.argmax(1), average="macro")
    assert macro_f1(answers) == pytest.approx(expected)


def test_multi_label_accuracy_wants_every_class_right():
    truth = np.array([[True, False], [True, True], [False, False]])
    answers = ScoredClips.decide(Kind.MULTI, truth, np.array([[0.9, 0.1], [0.9, 0.4], [0.1, 0.2]]))
    assert accuracy(answers) == pytest.approx(2 / 3)
    assert confusion(answers, ["a", "b"]) == {"a": [[1, 0], [0, 2]], "b": [[2, 0], [1, 0]]}


def test_probabilities_that_mean_what_they_say_have_a_small_calibration_error():
    honest = single(n=20_000)
    boast = ScoredClips(honest.kind, honest.truth, honest.probabilities**4, honest.decided)
    sharpened = boast.probabilities / boast.probabilities.sum(1, keepdims=True)
    assert expected_calibration_error(honest) < 0.02
    assert expected_calibration_error(ScoredClips(honest.kind, honest.truth, sharpened, honest.decided)) > 0.1


def test_confusion_rows_are_the_truth():
    truth = np.eye(3, dtype=bool)[[0, 0, 1]]
    answers = ScoredClips.decide(Kind.SINGLE, truth, np.eye(3)[[0, 2, 1]])
    assert confusion(answers, ["a", "b", "c"]) == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert per_class(answers, ["a", "b", "c"])["a"] == {"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2}


def test_the_calibration_plot_counts_every_clip():
    assert sum(point["n"] for point in reliability(single())) == 200


@pytest.mark.slow
def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        right = random.random(80) < 0.7
        truth = np.eye(2, dtype=bool)[np.zeros(80, dtype=int)]
        answers = ScoredClips.decide(Kind.SINGLE, truth, np.eye(2)[(~right).astype(int)])
        low, high = intervals(answers, {"accuracy": METRICS["accuracy"]}, seed, 200)["accuracy"]
        covered += low <= 0.7 <= high
    assert covered >= 200 * 0.95 - 3 * np.sqrt(200 * 0.95 * 0.05)

"""Metrics against scikit-learn, against sums written out, and against the binomial distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import (
    confusion_matrix,
    f1_score,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
)

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.measurement import EvaluateOptions, model_report
from cu_pipeline.evaluation.metrics import (
    METRICS,
    ScoredClips,
    confusion,
    expected_calibration_error,
    intervals,
    macro_f1,
    per_class,
    reliability,
)

CLASSES = ["a", "b", "c", "d"]

decisions = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12)
flags = st.lists(st.booleans(), min_size=4, max_size=4)
marks = st.lists(st.tuples(flags, flags), min_size=1, max_size=12)


def single(pairs):
    """Clips of one class each, given as (truth, decision)."""
    truth, decided = (np.eye(4, dtype=bool)[list(side)] for side in zip(*pairs, strict=True))
    return ScoredClips(Kind.SINGLE, truth, decided.astype(float), decided)


def several(pairs):
    truth, decided = (np.array(side, dtype=bool) for side in zip(*pairs, strict=True))
    return ScoredClips(Kind.MULTI, truth, decided.astype(float), decided)


@settings(max_examples=25)
@given(decisions)
def test_single_label_numbers_are_scikit_learns(pairs):
    answers, (truth, decided) = single(pairs), zip(*pairs, strict=True)
    assert macro_f1(answers) == pytest.approx(f1_score(truth, decided, average="macro", zero_division=0))
    assert confusion(answers, CLASSES) == confusion_matrix(truth, decided, labels=range(4)).tolist()
    expected = precision_recall_fscore_support(truth, decided, labels=range(4), zero_division=0)
    found = per_class(answers, CLASSES)
    for name, *numbers in zip(CLASSES, *expected, strict=True):
        assert [found[name][part] for part in ("precision", "recall", "f1", "support")] == pytest.approx(numbers)


@settings(max_examples=25)
@given(marks)
def test_multi_label_numbers_are_scikit_learns(pairs):
    answers = several(pairs)
    counts = multilabel_confusion_matrix(answers.truth, answers.decided)
    assert confusion(answers, CLASSES) == dict(zip(CLASSES, counts.tolist(), strict=True))
    f1 = f1_score(answers.truth, answers.decided, average=None, zero_division=0)
    used = (answers.truth | answers.decided).any(0)
    assert macro_f1(answers) == pytest.approx(f1[used].mean() if used.any() else 0.0)


def test_a_class_that_is_predicted_and_never_true_costs_macro_f1():
    assert macro_f1(single([(0, 0), (0, 0), (0, 3)])) == pytest.approx((0.8 + 0) / 2)


def certain(confidence, right):
    """Two classes; the first is decided with this confidence and is the truth where `right`."""
    confidence, right = np.asarray(confidence, dtype=float), np.asarray(right, dtype=bool)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    return ScoredClips.decide(Kind.SINGLE, np.stack([right, ~right], axis=1), probabilities)


def test_too_much_and_too_little_confidence_do_not_cancel_between_bins():
    """Half of the clips are right always at 0.55, half of them at 0.95 only six times of ten: (0.45 + 0.35) / 2."""
    answers = certain([0.55] * 10 + [0.95] * 10, [True] * 10 + [True] * 6 + [False] * 4)
    assert expected_calibration_error(answers) == pytest.approx(0.4)


def test_within_a_bin_they_do_cancel_and_bins_weigh_as_many_clips_as_they_hold():
    answers = certain([0.91, 0.99, 0.55], [True, True, False])
    assert expected_calibration_error(answers) == pytest.approx((2 * abs(0.95 - 1) + 0.55) / 3)


@given(st.lists(st.tuples(st.integers(500, 1000), st.booleans()), min_size=1, max_size=30))
def test_calibration_is_the_sum_over_ten_bins_written_out(clips):
    confidence, right = [clip[0] / 1000 for clip in clips], [clip[1] for clip in clips]
    gap, points = 0.0, []
    for low in range(10):
        inside = [place for place, (mille, _) in enumerate(clips) if min(mille // 100, 9) == low]
        if inside:
            sure, good = np.mean([confidence[place] for place in inside]), np.mean([right[place] for place in inside])
            gap += abs(sure - good) * len(inside) / len(clips)
            points.append({"confidence": pytest.approx(sure), "accuracy": pytest.approx(good), "n": len(inside)})
    answers = certain(confidence, right)
    # 0.5 for both classes is decided for the first, as every tie without ids
    assert expected_calibration_error(answers) == pytest.approx(gap)
    assert reliability(answers) == points


def test_each_class_of_several_is_calibrated_by_its_own_probability():
    truth = np.array([[True, False], [True, False]])
    answers = ScoredClips.decide(Kind.MULTI, truth, np.array([[0.8, 0.3], [0.9, 0.1]]))
    assert expected_calibration_error(answers) == pytest.approx((0.2 + 0.3 + 0.1 + 0.1) / 4)


@pytest.mark.parametrize(("n", "right"), [(400, 280), (900, 810)])
def test_intervals_are_those_of_95_percent_and_no_narrower(n, right):
    """Right clips drawn with replacement follow a binomial distribution, whose quantiles are known."""
    answers = certain([0.9] * n, np.arange(n) < right)
    edges = intervals(answers, {"accuracy": METRICS["accuracy"]}, 3, 3000)["accuracy"]
    spread = np.sqrt(right / n * (1 - right / n) / n)
    expected = binom.ppf([0.025, 0.975], n, right / n) / n
    assert np.abs(np.array(edges) - expected).max() < 0.2 * spread + 1 / n
    narrower = binom.ppf([0.05, 0.95], n, right / n) / n
    assert edges[1] - edges[0] > (np.ptp(expected) + np.ptp(narrower)) / 2


def test_the_seed_decides_the_resamples_also_in_a_models_report():
    random = np.random.default_rng(0)
    answers = certain(random.uniform(0.5, 1, 40), random.random(40) < 0.7)
    found = [intervals(answers, METRICS, seed, 100)["ece"] for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    options = EvaluateOptions(bootstrap_draws=100)
    reports = [model_report({"test": answers}, ["a", "b"], seed, options) for seed in (1, 1, 2)]
    assert reports[0]["test"]["ci95"]["ece"] == found[0]
    assert reports[0] == reports[1]
    assert reports[2]["test"]["ci95"] != reports[0]["test"]["ci95"]

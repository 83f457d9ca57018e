import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import METRICS, ScoredClips, confusion, measure, per_class, reliability

accuracy, macro_f1, expected_calibration_error = (METRICS[name].of for name in ("accuracy", "macro_f1", "ece"))


def single(n: int = 200, classes: int = 4, seed: int = 0) -> ScoredClips:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), n)
    truth = np.array([random.choice(classes, p=row) for row in probabilities])
    return ScoredClips.decide(Kind.SINGLE, np.eye(classes, dtype=bool)[truth], probabilities)


def test_a_class_that_is_predicted_but_absent_counts_as_a_fault():
    truth, decided = np.eye(3, dtype=bool)[[0, 0, 1, 1]], np.eye(3, dtype=bool)[[0, 2, 1, 1]]
    answers = ScoredClips(Kind.SINGLE, truth, decided.astype(float), decided)
    expected = f1_score(truth.argmax(1), decided.argmax(1), average="macro", zero_division=0)
    assert macro_f1(answers) == pytest.approx(expected) == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_class_that_neither_occurs_nor_is_predicted_does_not_count():
    truth = np.eye(3, dtype=bool)[[0, 1]]
    assert macro_f1(ScoredClips(Kind.SINGLE, truth, truth.astype(float), truth)) == 1


@given(st.integers(1, 40), st.integers(2, 5), st.sampled_from(Kind), st.integers(0, 10**6))
def test_numbers_of_each_class_agree_with_scikit_learn(n, classes, kind, seed):
    random = np.random.default_rng(seed)
    if kind is Kind.SINGLE:
        truth, decided = (np.eye(classes, dtype=bool)[random.integers(0, classes, n)] for _ in range(2))
    else:
        truth, decided = (random.random((n, classes)) < 0.4 for _ in range(2))
    answers = ScoredClips(kind, truth, decided.astype(float), decided)
    names = [f"class {place}" for place in range(classes)]
    expected = precision_recall_fscore_support(truth.astype(int), decided.astype(int), zero_division=0)
    found = [list(row.values())[:4] for row in per_class(answers, names).values()]
    np.testing.assert_allclose(found, np.array(expected).T)
    if kind is Kind.SINGLE:
        matrix = confusion_matrix(truth.argmax(1), decided.argmax(1), labels=range(classes))
        assert confusion(answers, names) == matrix.tolist()
    else:
        each = multilabel_confusion_matrix(truth.astype(int), decided.astype(int))
        assert confusion(answers, names) == dict(zip(names, each.tolist(), strict=True))


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


def of_confidence(*groups):
    """Give answers in groups of (clips, of which right, confidence), all for the first of two classes."""
    right = np.concatenate([np.arange(n) < good for n, good, _ in groups])
    sure = np.concatenate([np.full(n, confidence) for n, _, confidence in groups])
    truth = np.stack([right, ~right], axis=1)
    return ScoredClips.decide(Kind.SINGLE, truth, np.stack([sure, 1 - sure], axis=1))


def test_too_sure_here_and_too_doubtful_there_is_no_calibration():
    answers = of_confidence((10, 6, 0.95), (10, 10, 0.65))
    assert accuracy(answers) == pytest.approx(np.mean([0.95, 0.65]))
    assert expected_calibration_error(answers) == pytest.approx((0.35 + 0.35) / 2)


def test_gaps_within_a_bin_cancel_and_bins_weigh_by_their_clips():
    assert expected_calibration_error(of_confidence((10, 10, 0.91), (10, 8, 0.99))) == pytest.approx(0.05)
    assert expected_calibration_error(of_confidence((30, 30, 0.75), (10, 5, 0.95))) == pytest.approx(0.3)
    assert expected_calibration_error(of_confidence((10, 10, 1.0))) == 0


def test_of_several_classes_each_is_a_decision_with_its_own_probability():
    truth = np.array([[True, False], [True, False]])
    answers = ScoredClips.decide(Kind.MULTI, truth, np.array([[0.85, 0.35], [0.85, 0.05]]))
    assert expected_calibration_error(answers) == pytest.approx((2 * 0.15 + 0.35 + 0.05) / 4)


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
    answers = of_confidence(*((1, int(good), sure) for sure, good in zip(confidence, right, strict=True)))
    # 0.5 for both classes is decided for the first, as every tie without ids
    assert expected_calibration_error(answers) == pytest.approx(gap)
    assert reliability(answers) == points


def test_the_points_of_the_calibration_plot():
    points = reliability(of_confidence((4, 3, 0.91), (4, 4, 0.97), (2, 1, 0.62)))
    assert [point["n"] for point in points] == [2, 8]
    assert [point["confidence"] for point in points] == pytest.approx([0.62, 0.94])
    assert [point["accuracy"] for point in points] == pytest.approx([0.5, 0.875])


def test_confusion_rows_are_the_truth():
    truth = np.eye(3, dtype=bool)[[0, 0, 1]]
    answers = ScoredClips.decide(Kind.SINGLE, truth, np.eye(3)[[0, 2, 1]])
    assert confusion(answers, ["a", "b", "c"]) == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert per_class(answers, ["a", "b", "c"])["a"] == pytest.approx(
        {"precision": 1, "recall": 0.5, "f1": 2 / 3, "support": 2, "average_precision": 5 / 6, "auroc": 0.75}
    )


@settings(max_examples=40)
@given(st.integers(2, 40), st.integers(2, 5), st.sampled_from(Kind), st.integers(0, 10**6))
def test_order_and_losses_agree_with_scikit_learn(n, classes, kind, seed):
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet(np.ones(classes), n).round(1) + 1e-3  # rounded: there are ties
    if kind is Kind.SINGLE:
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        truth = np.eye(classes, dtype=bool)[random.integers(0, classes, n)]
    else:
        probabilities = probabilities.clip(0, 1 - 1e-3)
        truth = random.random((n, classes)) < 0.4
    answers = ScoredClips.decide(kind, truth, probabilities)
    found, names = measure(answers), [f"class {place}" for place in range(classes)]
    rows = list(per_class(answers, names).values())
    precisions, areas = [], []
    for row, held, scores in zip(rows, truth.T, probabilities.T, strict=True):
        if held.any():
            precisions.append(average_precision_score(held, scores))
            assert row["average_precision"] == pytest.approx(precisions[-1])
        if held.any() and not held.all():
            areas.append(roc_auc_score(held, scores))
            assert row["auroc"] == pytest.approx(areas[-1])
    assert found["average_precision"] == (pytest.approx(np.mean(precisions)) if precisions else None)
    assert found["auroc"] == (pytest.approx(np.mean(areas)) if areas else None)
    if kind is Kind.SINGLE:
        assert found["log_loss"] == pytest.approx(log_loss(truth.argmax(1), probabilities, labels=range(classes)))
        assert found["brier"] == pytest.approx(
            brier_score_loss(truth.argmax(1), probabilities, labels=list(range(classes)), scale_by_half=False)
        )
    else:
        losses = [log_loss(held, scores, labels=[0, 1]) for held, scores in zip(truth.T, probabilities.T, strict=True)]
        assert found["log_loss"] == pytest.approx(sum(losses))
        assert found["brier"] == pytest.approx(((probabilities - truth) ** 2).sum(axis=1).mean())


def test_what_is_undefined_is_none():
    truth = np.tile([True, False], (4, 1))
    answers = ScoredClips.decide(Kind.SINGLE, truth, np.tile([0.7, 0.3], (4, 1)))
    found = measure(answers)
    assert (found["average_precision"], found["auroc"]) == (1.0, None)
    rows = per_class(answers, ["a", "b"])
    assert (rows["a"]["average_precision"], rows["a"]["auroc"], rows["b"]["average_precision"]) == (1.0, None, None)

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import f1_score, log_loss

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.probabilities import logits_loss, logits_to_probabilities, temperature, thresholds


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("boast", [0.5, 1.0, 3.0])
def test_temperature_undoes_boasting(kind, boast):
    random = np.random.default_rng(0)
    logits = random.normal(scale=1.5, size=(4000, 3))
    if kind is Kind.SINGLE:
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        targets = np.eye(3)[[random.choice(3, p=row) for row in chances]]
    else:
        targets = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    found = temperature((boast * logits).astype(np.float32), targets.astype(np.float32), kind)
    assert found == pytest.approx(boast, rel=0.1)


@pytest.mark.parametrize("clips", [0, 19])
def test_with_few_validation_clips_nothing_is_scaled(clips):
    certain = np.eye(3, dtype=np.float32)[np.zeros(clips, dtype=int)]
    assert temperature(certain, certain, Kind.SINGLE) == 1


def test_thresholds_follow_the_scores_and_stay_put_where_positives_are_few():
    probabilities = np.linspace(0, 0.4, 100)[:, None].repeat(2, 1)
    targets = np.zeros((100, 2), dtype=np.float32)
    targets[50:, 0], targets[99:, 1] = 1, 1
    found = thresholds(probabilities, targets, ["common", "rare"])
    assert 0.15 <= found["common"] <= 0.25
    assert found["rare"] == 0.5


def test_a_class_of_which_nothing_was_learned_is_not_named_always():
    targets = (np.arange(400) % 5 < 2).astype(np.float32)[:, None]
    by_fold = 0.4 + 0.004 * (np.arange(400) // 80 - 2)
    assert thresholds(by_fold[:, None], targets, ["a"]) == {"a": 0.5}
    random = np.random.default_rng(0)
    noise = [thresholds(0.4 + 0.1 * random.normal(size=(400, 1)), targets, ["a"])["a"] for _ in range(100)]
    assert np.mean(np.asarray(noise) == 0.5) > 0.5


def test_a_class_of_which_little_was_learned_keeps_its_own_threshold():
    random = np.random.default_rng(1)
    targets = (np.arange(1000) % 5 < 1).astype(np.float32)[:, None]
    known = expit(random.normal(size=(1000, 1)) + 1.5 * targets - 2)
    assert thresholds(known, targets, ["a"])["a"] < 0.4


def test_twenty_clips_are_enough_to_scale():
    doubtful, targets = np.tile(np.float32([[0.1, 0]]), (20, 1)), np.tile(np.float32([[1, 0]]), (20, 1))
    assert temperature(doubtful, targets, Kind.SINGLE) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(("positives", "expected"), [(29, [0.5]), (30, [0.15, 0.2, 0.25])])
def test_thirty_positives_are_enough_for_a_threshold_and_half_sure_counts_as_one(positives, expected):
    targets = np.zeros((100, 1), dtype=np.float32)
    targets[:positives] = 0.5
    probabilities = np.where(targets > 0, 0.3, 0.1)
    assert thresholds(probabilities, targets, ["a"])["a"] in expected


def test_logits_are_divided_by_the_temperature_and_each_kind_has_its_own_squashing():
    logits = np.array([[1.0, -2.0, 0.5]], dtype=np.float32)
    np.testing.assert_allclose(
        logits_to_probabilities(logits, Kind.SINGLE, 2.0), softmax(logits / 2, axis=1), rtol=1e-5
    )
    np.testing.assert_allclose(logits_to_probabilities(logits, Kind.MULTI, 2.0), expit(logits / 2), rtol=1e-5)


def test_the_loss_is_scikit_learns():
    random = np.random.default_rng(0)
    logits, truth = random.normal(size=(30, 3)).astype(np.float32), random.integers(0, 3, 30)
    single = logits_loss(logits, np.eye(3, dtype=np.float32)[truth], Kind.SINGLE, 1.7)
    expected = log_loss(truth, softmax(logits.astype(float) / 1.7, axis=1), labels=range(3))
    assert 3 * single == pytest.approx(expected), "a mean over classes too"
    flags = random.random((30, 3)) < 0.4
    several = logits_loss(logits, flags.astype(np.float32), Kind.MULTI, 1.7)
    assert several == pytest.approx(log_loss(flags.ravel(), expit(logits.astype(float) / 1.7).ravel()))


def test_each_class_has_the_threshold_of_the_best_f1_of_its_own_column():
    random = np.random.default_rng(1)
    truth = random.random((300, 2)) < 0.4
    probabilities = np.clip(random.normal(np.where(truth, [0.4, 0.8], [0.2, 0.5]), 0.12), 0.01, 0.99)
    found = thresholds(probabilities, truth.astype(np.float32), ["low", "high"])
    grid = np.arange(0.1, 0.91, 0.05).round(2)
    for column, name in enumerate(found):
        scores = [f1_score(truth[:, column], probabilities[:, column] > bar) for bar in grid]
        own = f1_score(truth[:, column], probabilities[:, column] > found[name])
        assert own == pytest.approx(max(scores))
    assert found["low"] < 0.4 < 0.55 < found["high"]


def test_labels_that_most_people_deny_are_no_positives():
    """40 clips of the class score high; of 60 others one person in four said it, and they score low."""
    probabilities = np.repeat([0.85, 0.3], [40, 60])[:, None]
    targets = np.repeat(np.float32([1.0, 0.25]), [40, 60])[:, None]
    assert thresholds(probabilities, targets, ["a"])["a"] >= 0.3
    assert thresholds(np.full((100, 1), 0.3), np.full((100, 1), np.float32(0.25)), ["a"]) == {"a": 0.5}

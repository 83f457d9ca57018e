import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.probabilities import logits_to_probabilities, temperature, thresholds


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


def test_logits_are_divided_by_the_temperature():
    logits = np.log(np.array([[1, 4]], dtype=np.float32))
    assert logits_to_probabilities(logits, Kind.SINGLE, 1.0)[0] == pytest.approx([0.2, 0.8])
    assert logits_to_probabilities(logits, Kind.SINGLE, 2.0)[0] == pytest.approx([1 / 3, 2 / 3])
    assert logits_to_probabilities(logits, Kind.MULTI, 2.0)[0] == pytest.approx([1 / 2, 2 / 3])


def test_twenty_clips_are_enough_to_scale():
    doubtful, targets = np.tile(np.float32([[0.1, 0]]), (20, 1)), np.tile(np.float32([[1, 0]]), (20, 1))
    assert temperature(doubtful, targets, Kind.SINGLE) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize(("positives", "expected"), [(29, [0.5]), (30, [0.15, 0.2, 0.25])])
def test_thirty_positives_are_enough_for_a_threshold_and_half_sure_counts_as_one(positives, expected):
    targets = np.zeros((100, 1), dtype=np.float32)
    targets[:positives] = 0.5
    probabilities = np.where(targets > 0, 0.3, 0.1)
    assert thresholds(probabilities, targets, ["a"])["a"] in expected

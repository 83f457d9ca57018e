import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.models.expert_pool import even_pool, fit_pool, mean_loss, standard_scores
from cu_pipeline.models.logistic import HardLabels

ALL = np.ones(500, dtype=bool)


def opinions(kind=Kind.SINGLE):
    """Give the right answers and scores of an expert who knows something, one who guesses, and one who is wrong."""
    random = np.random.default_rng(0)
    truth = np.eye(3, dtype=bool)[random.choice(3, 500, p=[0.6, 0.3, 0.1])]
    knows = random.normal(size=(500, 3)) + 2.0 * truth
    scores = np.stack([standard_scores(one, ALL, kind) for one in (knows, random.normal(size=(500, 3)), -knows)])
    return scores, HardLabels(truth, np.ones(500))


@pytest.mark.parametrize("kind", list(Kind))
def test_weights_are_what_experts_are_worth_and_biases_what_classes_are(kind):
    scores, answers = opinions(kind)
    pool = fit_pool(scores, answers, kind)
    assert pool.weights[0] > 0.5
    assert pool.weights[1] < 0.3
    assert pool.weights[2] < 0.05
    assert pool.bias[0] > pool.bias[2]
    assert mean_loss(pool.logits(scores), answers, kind) < mean_loss(
        even_pool(3, np.zeros(3)).logits(scores), answers, kind
    )


def test_the_pool_is_calibrated_by_its_biases():
    scores, answers = opinions()
    logits = fit_pool(scores, answers, Kind.SINGLE).logits(scores)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(chances.mean(0), answers.truth.mean(0), atol=0.01)


def test_an_expert_says_nothing_where_its_feature_is_absent_and_never_too_much():
    scores = standard_scores(np.array([[50.0, 0.0], [1.0, 0.0]]), np.array([True, False]), Kind.SINGLE)
    assert scores.tolist() == [[8.0, -8.0], [0.0, 0.0]]


def test_without_experts_there_is_the_share_of_each_class():
    _, answers = opinions()
    logits = fit_pool(np.zeros((0, 500, 3)), answers, Kind.SINGLE).logits(np.zeros((0, 1, 3)))
    np.testing.assert_allclose(np.exp(logits[0]) / np.exp(logits[0]).sum(), answers.truth.mean(0), atol=0.01)

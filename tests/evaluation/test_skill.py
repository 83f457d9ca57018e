"""Whether a model is said to be better than the majority: when it is, and rarely when it is not."""

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.skill import learned_nothing, skill

SHARES = np.array([0.6, 0.3, 0.1])


def answers(truth, said):
    return ScoredClips.decide(Kind.SINGLE, np.eye(3, dtype=bool)[truth], said)


def truths(random, clips):
    return random.choice(3, size=clips, p=SHARES)


def told(random, truth, certainty):
    """Probabilities that name the right class with the chance `certainty`, and another one else."""
    named = np.where(random.random(len(truth)) < certainty, truth, random.integers(0, 3, len(truth)))
    return 0.7 * np.eye(3)[named] + 0.1


def test_a_model_that_knows_is_better():
    random = np.random.default_rng(0)
    truth = truths(random, 60)
    found = skill(answers(truth, told(random, truth, 0.9)), SHARES, np.arange(60))
    assert found.to_json()["better"]
    assert found.p_value < 0.01
    assert found.accuracy_gain > 0.1
    assert learned_nothing({"skill": found.to_json()}) is None


def test_gains_are_those_of_known_answers():
    """The model names two of four rightly and is sure by 0.8; the majority names the three of the first class."""
    said = np.full((4, 3), 0.1)
    said[[0, 1, 2, 3], [0, 0, 1, 1]] = 0.8
    found = skill(answers(np.array([0, 0, 0, 1]), said), SHARES, np.arange(4))
    assert found.accuracy_gain == pytest.approx(0)
    usual, model = -np.log([0.6, 0.6, 0.6, 0.3]).mean(), -np.log([0.8, 0.8, 0.1, 0.8]).mean()
    assert found.loss_gain == pytest.approx(usual - model)


def test_the_majority_itself_is_no_better():
    random = np.random.default_rng(0)
    found = skill(answers(truths(random, 80), np.tile(SHARES, (80, 1))), SHARES, np.arange(80))
    assert (found.accuracy_gain, found.loss_gain, found.p_value) == (0, 0, 1)
    assert learned_nothing({"skill": found.to_json()}) == (
        "no better than the majority on 80 test clips (accuracy +0.000, loss -0.000, p = 1.00)"
    )


@pytest.mark.parametrize("clips_each", [1, 8])
def test_a_model_that_guesses_is_rarely_said_to_be_better(clips_each):
    """Both what a model says and what is true are the same for all clips of a unit."""
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(400):
        units = np.repeat(np.arange(24), clips_each)
        truth = truths(random, 24)[units]
        guess = random.dirichlet(8 * SHARES, size=24)[units]
        wrong += skill(answers(truth, guess), SHARES, units).to_json()["better"]
    assert wrong <= 0.05 * 400 + 2 * np.sqrt(400 * 0.05 * 0.95)


def test_several_classes_may_hold():
    random = np.random.default_rng(0)
    truth = random.random((80, 2)) < [0.3, 0.1]
    said = np.clip(truth * 0.6 + 0.2 * random.random((80, 2)), 0, 1)
    knowing = ScoredClips.decide(Kind.MULTI, truth, said)
    assert skill(knowing, np.array([0.3, 0.1]), np.arange(80)).to_json()["better"]
    shuffled = ScoredClips.decide(Kind.MULTI, random.permutation(truth), said)
    assert not skill(shuffled, np.array([0.3, 0.1]), np.arange(80)).to_json()["better"]


def test_what_was_not_measured_has_no_remark():
    assert learned_nothing({"train": {"accuracy": 0.5}}) is None

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.decision_goal import DecisionGoal, GoalTarget
from cu_pipeline.models.goal_thresholds import Unseen, goal_thresholds, lower_bound

CLASSES = ("a", "b")


def clustered(units, seed, kind, sharpness=9.0):
    """Give predictions of clips in units of 1 to 8; those of a unit are right or wrong together most often."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(units), random.integers(1, 9, units))
    sure = random.beta(2, 1, units)[groups] * 0.5 + 0.5
    truly = 1 / (1 + np.exp(-sharpness * (sure - 0.6)))
    shared = random.random(units)[groups]
    own = random.random(len(groups))
    luck = np.where(random.random(len(groups)) < 0.9, shared, own)
    first = (random.random(units) < 0.5)[groups]
    right = luck < truly
    likeliest = np.where(first, 0, 1)
    truth = np.eye(2, dtype=bool)[np.where(right, likeliest, 1 - likeliest)]
    probabilities = np.where(np.eye(2, dtype=bool)[likeliest], sure[:, None], 1 - sure[:, None])
    return Unseen(probabilities, truth, groups, kind)


def reached(unseen, column, threshold, target):
    said = unseen.said(column) & (unseen.probabilities[:, column] > threshold)
    counted = said if target is GoalTarget.PRECISION else unseen.truth[:, column]
    return (said & unseen.truth[:, column])[counted].mean()


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(("target", "at_least"), [(GoalTarget.PRECISION, 0.85), (GoalTarget.RECALL, 0.7)])
def test_a_goal_is_kept_on_new_units_with_the_stated_confidence(kind, target, at_least):
    """In 100 worlds a threshold breaks a goal at 90 % confidence in at most 10, but for chance (3 standard errors)."""
    goal = DecisionGoal(target=target, at_least=at_least, confidence=0.9)
    everybody = clustered(20_000, 10_000, kind)
    broken, known = 0, 0
    for seed in range(100):
        found = goal_thresholds(clustered(300, seed, kind), CLASSES[:1], goal)["a"]
        if found.value is not None:
            known += 1
            broken += reached(everybody, 0, found.value, target) < at_least
    assert known > 50, "else this says little"
    assert broken <= 10 + 3 * np.sqrt(100 * 0.1 * 0.9)


def test_clips_of_a_unit_do_not_vouch_for_one_another():
    right = np.ones(300, dtype=bool)
    assert lower_bound(right, np.arange(300), 0.95) == pytest.approx(0.05 ** (1 / 300))
    assert lower_bound(right, np.arange(300) // 30, 0.95) == pytest.approx(0.05 ** (1 / 10))
    assert lower_bound(right[:0], np.arange(0), 0.95) == lower_bound(~right, np.arange(300), 0.95) == 0


@pytest.mark.parametrize("kind", list(Kind))
def test_few_units_give_no_threshold(kind):
    found = goal_thresholds(clustered(12, 0, kind), CLASSES, DecisionGoal(target=GoalTarget.PRECISION, at_least=0.9))
    assert {one.value for one in found.values()} == {None}


def test_a_lower_goal_names_a_class_more_often_and_recall_takes_the_strictest_threshold_that_keeps_it():
    unseen = clustered(2000, 0, Kind.SINGLE)
    strict, lenient = (
        goal_thresholds(unseen, CLASSES, DecisionGoal(target=GoalTarget.PRECISION, at_least=share))["a"].value
        for share in (0.9, 0.75)
    )
    assert lenient < strict
    much, little = (
        goal_thresholds(unseen, CLASSES, DecisionGoal(target=GoalTarget.RECALL, at_least=share))["a"].value
        for share in (0.7, 0.3)
    )
    assert much < little

"""How soon the gate promotes in a month in which what is right changes once, by simulation with real classifiers.

From the tenth day on other classes are right for four clips in ten. Each day a linear classifier (least squares) is
trained on all that was labelled until then, and models that were fit without a clip's creator answer for it, as in
`test_cross_fitted_simulation.py`. Both rules see the same clips and challengers.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from tests.months import ALPHA, DAYS, Clips, Gate

from cu_pipeline.evaluation import fresh_clips
from cu_pipeline.evaluation.account import level

WIDTH = 6
FOLDS = 5
CHANGES = 10
BEFORE = 150
MANY = 3000
NEVER = DAYS + 1
LEVEL = level(0, ALPHA)
RUNS = pytest.mark.parametrize("runs", [20, pytest.param(200, marks=pytest.mark.nightly)])


@dataclass
class World:
    """Clips with features, of which a part tells the class another way from a day on."""

    random: np.random.Generator
    changes: int

    def __post_init__(self):
        self.weights = self.random.normal(size=WIDTH) / np.sqrt(WIDTH) * 1.5
        self.other = self.weights * np.r_[1, -np.ones(WIDTH - 1)]

    def draw(self, unit, day):
        """Features with a part of them once more where the class may change, and classes; units are alike."""
        told = self.random.normal(size=(unit.max() + 1, WIDTH + 1))
        own = self.random.normal(size=(len(unit), WIDTH + 1))
        features, hidden = np.split(np.sqrt(0.2) * told[unit] + np.sqrt(0.8) * own, [WIDTH], axis=1)
        part = features[:, :1] > 0.25
        changed = part[:, 0] & (day >= self.changes)
        score = np.where(changed, features @ self.other, features @ self.weights) + 0.5 * hidden[:, 0]
        return np.c_[features, np.ones(len(unit)), part * features, part], np.where(score > 0, 1.0, -1.0)


def fitted(features, classes):
    return np.linalg.solve(features.T @ features + np.eye(features.shape[1]), features.T @ classes)


def challengers(random, fresh, changes):
    """The clips, and for each day a challenger: what it, and what models without a creator, answer right, and truly."""
    clips, world = Clips.of(random, fresh, 60), World(random, changes)
    unit, day = clips.unit, clips.day[clips.unit]
    features, classes = world.draw(unit, day)
    first = world.draw(random.integers(60, size=BEFORE), np.zeros(BEFORE))
    old, new = (world.draw(np.arange(MANY), np.full(MANY, moment)) for moment in (0, DAYS))
    learns, fold = ~clips.tested[unit], unit % FOLDS
    found = []
    for today in range(DAYS + 1):
        mine = learns & (day <= today)
        data = [np.concatenate([first[part], (features, classes)[part][mine]]) for part in (0, 1)]
        folds = np.r_[np.arange(BEFORE) % FOLDS, fold[mine]]
        weights = fitted(*data)
        right = (features @ weights > 0) == (classes > 0)
        unseen = right.copy()
        for turn in range(FOLDS if today else 0):
            out = mine & (fold == turn)
            told = features[out] @ fitted(data[0][folds != turn], data[1][folds != turn])
            unseen[out] = (told > 0) == (classes[out] > 0)
        many = old if today < changes else new
        found.append((right, unseen, lambda moment, w=weights: ((moment[0] @ w > 0) == (moment[1] > 0)).mean(), many))
    return clips, found


def promotions(clips, found, *, plain):
    """What a gate makes of challengers: (days, 3) with promotions, true gains, true accuracy of what serves then."""
    gate, serves = Gate(clips, found[0][0], plain=plain), found[0][2]
    days = np.empty((DAYS, 3))
    for day in range(1, DAYS + 1):
        right, unseen, truth, many = found[day]
        ruled = gate.rule(day, unseen)
        days[day - 1, :2] = ruled.promoted, truth(many) - serves(many)
        if ruled.promoted:
            gate.promote(day, right, ruled)
            serves = truth
        days[day - 1, 2] = serves(many)
    return days


@cache
def months(runs, fresh, changes):
    """By the loop's gate, and by test clips alone: (2, runs, days, 3)."""
    worlds = (challengers(np.random.default_rng([run, fresh, changes]), fresh, changes) for run in range(runs))
    return np.stack([[promotions(*world, plain=plain) for plain in (False, True)] for world in worlds], axis=1)


def found_after(days, gain=0.02):
    """Days from the change until a challenger is promoted that is truly better by 2 points; 30 where none is."""
    better = (days[..., 0] > 0) & (days[..., 1] >= gain)
    better[:, : CHANGES - 1] = False
    return np.where(better.any(axis=1), better.argmax(axis=1) + 2 - CHANGES, DAYS)


@pytest.fixture(autouse=True)
def _few_signs(monkeypatch):
    monkeypatch.setattr(fresh_clips, "FLIPS", 199)


@pytest.mark.parametrize(("fresh", "gained", "days", "lacking"), [(30, 0.01, 18, 0.4), (160, 0.04, 5, 0.1)])
@RUNS
def test_a_better_challenger_is_promoted_sooner_than_by_test_clips_alone(runs, fresh, gained, days, lacking):
    """Few: two or three weeks, where test clips alone mostly find none; many: days, where these take over a week."""
    ours, plain = months(runs, fresh, CHANGES)
    more = (ours - plain)[:, CHANGES - 1 :, 2].mean(axis=1)
    assert more.mean() - 2 * more.std() / np.sqrt(runs) > 0
    assert more.mean() > gained - 2 * more.std() / np.sqrt(runs)
    found, others = found_after(ours), found_after(plain)
    assert np.median(found) <= days
    assert np.mean(found == DAYS) <= lacking + 2 * np.sqrt(lacking * (1 - lacking) / runs)
    assert np.median(others) > np.median(found) + 3


@pytest.mark.parametrize("fresh", [30, 160])
@pytest.mark.parametrize("changes", [CHANGES, NEVER])
@RUNS
def test_challengers_that_learn_from_what_tests_them_are_seldom_promoted_wrongly(runs, changes, fresh):
    """600 decisions, +- 0.8 points for those that are no better."""
    days = months(runs, fresh, changes)[0]
    wrong = (days[..., 0] > 0) & (days[..., 1] <= 0)
    assert wrong.mean() <= LEVEL
    assert (wrong & (days[..., 1] < -0.01)).mean() <= 0.005 + 2 * np.sqrt(0.005 / wrong.size)
    assert (days[:, :, 2] - days[:, :1, 2])[:, : CHANGES - 1].min() >= -0.05

"""What the gate promises where challengers are tested on clips that they learn from, by simulation.

A champion learned from old clips, a challenger from these and fresh ones of new creators. Of the fresh ones models
answer for it that were fit without the clip's creator, as a bundle tells. Classifiers are linear, by least squares;
clips of a creator are alike in what is seen of them and in their class.
"""

import numpy as np
import pytest

from cu_pipeline.evaluation.paired_test import PairedGain

WIDTH = 10
FOLDS = 5
RUNS = 600
CREATORS = 60


def clips_of(random, size, signal):
    """Features, classes and creators of new clips: features tell `signal` of the class, creators another part."""
    creators = random.integers(CREATORS, size=size)
    told, untold = random.normal(size=(CREATORS, WIDTH)), random.normal(size=CREATORS)
    features = np.sqrt(0.3) * told[creators] + np.sqrt(0.7) * random.normal(size=(size, WIDTH))
    hidden = np.sqrt(0.3) * untold[creators] + np.sqrt(0.7) * random.normal(size=size)
    return features, features @ np.full(WIDTH, signal) + hidden > 0, creators


def fitted(features, classes):
    """Weights of a classifier: (WIDTH + 1)."""
    extended = np.c_[features, np.ones(len(features))]
    return np.linalg.solve(extended.T @ extended + np.eye(WIDTH + 1), extended.T @ (2.0 * classes - 1))


def right(weights, features, classes):
    return (features @ weights[:-1] + weights[-1] > 0) == classes


def trial(random, old, fresh, signal):
    """The gate's p-value on fresh clips, and what the challenger truly gains."""
    before, now = clips_of(random, old, signal), clips_of(random, fresh, signal)
    champion = fitted(*before[:2])
    features, classes = (np.concatenate([before[part], now[part]]) for part in (0, 1))
    fold = np.r_[random.integers(FOLDS, size=CREATORS)[before[2]], random.integers(FOLDS, size=CREATORS)[now[2]]]
    told = np.empty(old + fresh, dtype=bool)
    for turn in range(FOLDS):
        weights = fitted(features[fold != turn], classes[fold != turn])
        told[fold == turn] = right(weights, features[fold == turn], classes[fold == turn])
    gains = told[old:].astype(float) - right(champion, *now[:2])
    many = clips_of(random, 4000, signal)[:2]
    truth = right(fitted(features, classes), *many).mean() - right(champion, *many).mean()
    return PairedGain.of(gains, now[2].astype(str)).p_value(), truth


@pytest.mark.parametrize("signal", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(("old", "fresh"), [(100, 30), (200, 60), (400, 160)])
def test_a_challenger_that_is_no_better_is_seldom_shown_better_on_clips_that_it_learns_from(old, fresh, signal):
    """600 runs at the level 5 %: +- 0.9 points."""
    random = np.random.default_rng([old, round(100 * signal)])
    p, truth = np.array([trial(random, old, fresh, signal) for _ in range(RUNS)]).T
    wrong = (p <= 0.05) & (truth <= 0)
    assert wrong.mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / RUNS)
    if signal == 0:  # all are equally good in truth
        assert (p <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)


def test_one_that_learned_what_is_new_is_shown_better():
    """Features begin to tell the class in the fresh clips alone."""
    random = np.random.default_rng(1)
    shown = []
    for _ in range(50):
        before, now = clips_of(random, 100, 0.0), clips_of(random, 120, 0.6)
        champion = fitted(*before[:2])
        features, classes = (np.concatenate([before[part], now[part]]) for part in (0, 1))
        fold = random.integers(FOLDS, size=CREATORS)[now[2]]
        told = np.empty(120, dtype=bool)
        for turn in range(FOLDS):
            seen = np.r_[np.ones(100, dtype=bool), fold != turn]
            told[fold == turn] = right(fitted(features[seen], classes[seen]), *(one[fold == turn] for one in now[:2]))
        gains = told.astype(float) - right(champion, *now[:2])
        shown.append(PairedGain.of(gains, now[2].astype(str)).p_value() <= 0.05)
    assert np.mean(shown) > 0.9

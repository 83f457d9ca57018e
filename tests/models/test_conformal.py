import warnings

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.decision import prediction_sets
from cu_pipeline.models.conformal import EVERY_CLASS, set_threshold
from cu_pipeline.models.goal_thresholds import Unseen

CLASSES = 4


def clustered(units, random, alike=0.9):
    """Clips in units of 1 to 8 of one class; how well they are seen goes by unit most often."""
    groups = np.repeat(np.arange(units), random.integers(1, 9, units))
    answers = random.integers(CLASSES, size=units)[groups]
    by_unit, own = random.normal(size=(units, CLASSES))[groups], random.normal(size=(len(groups), CLASSES))
    logits = 1.5 * np.eye(CLASSES)[answers] + np.sqrt(alike) * by_unit + np.sqrt(1 - alike) * own
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Unseen(probabilities, np.eye(CLASSES, dtype=bool)[answers], groups, Kind.SINGLE)


def covered(unseen, threshold):
    """By unit, since each new unit is as likely as any other."""
    inside = prediction_sets(unseen.probabilities, threshold)[unseen.truth]
    return np.bincount(unseen.units, inside) / np.bincount(unseen.units)


@pytest.mark.parametrize("units", [12, 30, 200])
def test_sets_hold_the_right_class_of_new_units_as_often_as_stated(units):
    """On average over 150 worlds, within 3 standard errors; and they are not much larger than that takes."""
    random = np.random.default_rng(5)
    everybody = clustered(2_000, random)
    found = [covered(everybody, set_threshold(clustered(units, random), 0.9)).mean() for _ in range(150)]
    error = np.std(found) / np.sqrt(len(found))
    assert 0.9 - 3 * error <= np.mean(found) <= 0.9 + 1.2 / (units + 1) + 3 * error


def test_units_count_and_not_clips():
    """A creator with a hundred clips, all of them seen badly, does not widen everybody's sets."""
    random = np.random.default_rng(6)
    few = clustered(200, random)
    one = Unseen(
        np.r_[few.probabilities, np.full((1000, CLASSES), 0.25)],
        np.r_[few.truth, np.eye(CLASSES, dtype=bool)[np.zeros(1000, dtype=int)]],
        np.r_[few.units, np.full(1000, 200)],
        Kind.SINGLE,
    )
    assert set_threshold(one, 0.9) == pytest.approx(set_threshold(few, 0.9), rel=0.2)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_for_clips_of_units_of_their_own_mapie_says_the_same(coverage):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Said(ClassifierMixin, BaseEstimator):
        """Predicts the rows that it is given."""

        def fit(self, x, y):
            self.classes_, self.fitted_ = np.arange(CLASSES), True
            return self

        def predict(self, x):
            return x.argmax(axis=1)

        def predict_proba(self, x):
            return x

    random = np.random.default_rng(7)
    known, new = clustered(150, random), clustered(100, random)
    first = np.unique(known.units, return_index=True)[1]
    alone = Unseen(known.probabilities[first], known.truth[first], known.units[first], Kind.SINGLE)
    theirs = SplitConformalClassifier(Said().fit(None, None), confidence_level=coverage, prefit=True)
    theirs.conformalize(alone.probabilities, alone.truth.argmax(axis=1))
    ours = prediction_sets(new.probabilities, set_threshold(alone, coverage))
    assert ours.tolist() == (theirs.predict_set(new.probabilities)[1][:, :, 0] | likeliest(new)).tolist()


def likeliest(unseen):
    return np.arange(CLASSES) == unseen.probabilities.argmax(axis=1)[:, None]


def test_few_units_leave_out_no_class():
    random = np.random.default_rng(8)
    assert set_threshold(clustered(8, random), 0.9) == EVERY_CLASS
    assert set_threshold(clustered(9, random), 0.9) > EVERY_CLASS
    nothing = Unseen(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool), np.zeros(0, dtype=int), Kind.SINGLE)
    assert set_threshold(nothing, 0.9) == EVERY_CLASS

import warnings

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.baselines import BASELINES, BaselineData, applicable, baseline_probabilities


def data(n: int, seed: int, classes: int = 3) -> BaselineData:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    frames = random.normal(size=(n, 20)).astype(np.float32)
    frames[:, :10] += 4 * truth[:, None]
    facts = np.column_stack([truth + random.normal(scale=0.1, size=n), np.full((n, 5), np.nan)])
    return BaselineData([f"word{label} filler" for label in truth], frames, facts, np.eye(classes, dtype=bool)[truth])


@pytest.mark.parametrize("name", ["tfidf_logistic", "frames_logistic", "metadata_only"])
def test_each_baseline_learns_from_its_own_input(name):
    train, test = data(120, 0), data(60, 1)
    probabilities = baseline_probabilities(name, train, test, Kind.SINGLE)
    assert (probabilities.argmax(1) == test.truth.argmax(1)).mean() > 0.85
    majority = baseline_probabilities("majority", train, test, Kind.SINGLE)
    assert len(set(majority.argmax(1))) == 1


@pytest.mark.parametrize("name", list(BASELINES))
def test_one_class_in_training_is_no_reason_to_fail(name):
    train, test = data(10, 0, classes=1), data(5, 1, classes=1)
    padded = [BaselineData(d.texts, d.frames, d.facts, np.pad(d.truth, ((0, 0), (0, 1)))) for d in (train, test)]
    for kind in Kind:
        assert baseline_probabilities(name, *padded, kind).shape == (5, 2)


def test_a_feed_of_texts_has_no_pictures_to_look_at():
    given = data(10, 0)
    texts_only = BaselineData(given.texts, np.zeros_like(given.frames), np.full_like(given.facts, np.nan), given.truth)
    assert applicable(texts_only) == ["majority", "tfidf_logistic"]
    wordless = BaselineData(["🙂"] * 10, given.frames, given.facts, given.truth)
    assert "tfidf_logistic" not in applicable(wordless)


def test_baselines_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in BASELINES:
            baseline_probabilities(name, data(40, 0), data(10, 1), Kind.SINGLE)

import warnings

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.baselines import (
    SHORTCUTS,
    BaselineData,
    baseline_probabilities,
    baselines_for,
    context_of,
    some,
)


def data(n: int, seed: int, classes: int = 3) -> BaselineData:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, n)
    frames = random.normal(size=(n, 20)).astype(np.float32)
    frames[:, :10] += 4 * truth[:, None]
    facts = np.column_stack([truth + random.normal(scale=0.1, size=n), np.full((n, 5), np.nan)])
    texts = [f"word{label} filler" for label in truth]
    return BaselineData(texts, {"frames": frames}, facts, np.eye(classes, dtype=bool)[truth])


def score(name: str, train: BaselineData, test: BaselineData, kind: Kind = Kind.SINGLE) -> np.ndarray:
    return baseline_probabilities(baselines_for(train)[name], train, test, kind)


ALL = ["majority", "tfidf_logistic", "characters_logistic", "metadata_only", "frames_logistic"]
LEARNING = ALL[1:]


@pytest.mark.parametrize("name", LEARNING)
def test_each_baseline_learns_from_its_own_input(name):
    train, test = data(120, 0), data(60, 1)
    probabilities = score(name, train, test)
    assert (probabilities.argmax(1) == test.truth.argmax(1)).mean() > 0.85
    majority = score("majority", train, test)
    assert len(set(majority.argmax(1))) == 1


@pytest.mark.parametrize("name", ALL)
def test_one_class_in_training_is_no_reason_to_fail(name):
    train, test = data(10, 0, classes=1), data(5, 1, classes=1)
    padded = [BaselineData(d.texts, d.vectors, d.facts, np.pad(d.truth, ((0, 0), (0, 1)))) for d in (train, test)]
    for kind in Kind:
        assert score(name, *padded, kind).shape == (5, 2)


def test_a_feed_of_texts_has_no_pictures_to_look_at():
    given = data(10, 0)
    nothing = {"frames": np.zeros_like(given.vectors["frames"])}
    texts_only = BaselineData(given.texts, nothing, np.full_like(given.facts, np.nan), given.truth)
    assert list(baselines_for(texts_only)) == ["majority", "tfidf_logistic", "characters_logistic"]
    wordless = BaselineData(["🙂"] * 10, given.vectors, given.facts, given.truth)
    assert list(baselines_for(wordless)) == ["majority", "metadata_only", "frames_logistic"]


def test_scripts_without_spaces_are_read_by_characters():
    animals, meals = ["我的猫真可爱", "小猫在睡觉", "看我的猫咪"], ["今天做饭吃面", "学做饭第一天", "一起做饭吧"]
    given = data(6, 0, classes=2)
    truth = np.eye(2, dtype=bool)[[0, 0, 0, 1, 1, 1]]
    train = BaselineData(animals + meals, {}, given.facts, truth)
    test = BaselineData(["他的猫来了", "他在做饭"], {}, given.facts[:2], np.eye(2, dtype=bool))
    assert score("characters_logistic", train, test).argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(score("tfidf_logistic", train, test)[0], score("tfidf_logistic", train, test)[1])


def test_baselines_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ALL:
            score(name, data(40, 0), data(10, 1))


def test_the_majority_is_the_share_of_each_class_in_training():
    train, test = data(40, 0), data(5, 1)
    np.testing.assert_allclose(score("majority", train, test), np.tile(train.truth.mean(0), (5, 1)))
    several = BaselineData(train.texts, train.vectors, train.facts, np.random.default_rng(0).random((40, 3)) < 0.3)
    np.testing.assert_allclose(score("majority", several, test, Kind.MULTI), np.tile(several.truth.mean(0), (5, 1)))


def test_baselines_learn_from_training_clips_alone():
    """The words mean the next class in the test clips, which a baseline cannot know."""
    train, test = data(120, 0), data(60, 1)
    turned = BaselineData(test.texts, test.vectors, test.facts, np.roll(test.truth, 1, axis=1))
    for name in LEARNING:
        assert (score(name, train, turned).argmax(1) == turned.truth.argmax(1)).mean() < 0.2
        np.testing.assert_array_equal(score(name, train, turned), score(name, train, test))
    np.testing.assert_allclose(score("majority", train, turned)[0], train.truth.mean(0))


@pytest.mark.parametrize("kind", list(Kind))
def test_columns_stay_with_their_classes_where_training_clips_lack_one(kind):
    train, test = data(150, 0), data(60, 1)
    keep = ~train.truth[:, 1]
    texts = [text for text, kept in zip(train.texts, keep, strict=True) if kept]
    lacking = BaselineData(texts, {"frames": train.vectors["frames"][keep]}, train.facts[keep], train.truth[keep])
    for name in ("tfidf_logistic", "frames_logistic"):
        probabilities = score(name, lacking, test, kind)
        assert (probabilities[:, 1] == 0).all()
        others = ~test.truth[:, 1]
        assert (probabilities.argmax(1) == test.truth.argmax(1))[others].mean() > 0.9


def test_a_sample_of_training_clips_depends_on_their_ids_alone():
    clips = pd.DataFrame({"clip_id": [f"c{number}" for number in range(50)]})
    drawn = some(clips, 20)
    assert len(drawn) == 20
    assert drawn.index.is_monotonic_increasing
    backwards = some(clips.iloc[::-1], 20)
    assert sorted(backwards["clip_id"]) == sorted(drawn["clip_id"])
    assert some(clips, 50) is clips


def of_context(n, seed, **columns):
    """Clips about whose labels nothing but their context tells."""
    given = data(n, seed, classes=2)
    labels = given.truth.argmax(1)
    same = {"lang": "en", "feed": "f", "posted_at": "", "text": "x", "metadata": "{}"}
    table = pd.DataFrame({name: [value] * n for name, value in same.items()})
    for name, values in columns.items():
        table[name] = [values[label] for label in labels]
    return BaselineData(given.texts, {}, given.facts, given.truth, context_of(table))


@pytest.mark.parametrize(
    "columns",
    [
        {"lang": ["de", "en"]},
        {"feed": ["a", "b"]},
        {"posted_at": ["2026-01-01T03:00:00Z", "2026-01-01T22:30:00+00:00"]},
        {"text": ["short", "a long caption"]},
        {"metadata": ['{"sort": "x"}', '{"sort": "y"}']},
        {"metadata": ['{"views": 12}', '{"views": 900, "other": "z"}']},
    ],
)
def test_a_label_that_leaks_through_what_is_known_besides_is_found(columns):
    train, test = of_context(60, 0, **columns), of_context(40, 1, **columns)
    assert (score("context_only", train, test).argmax(1) == test.truth.argmax(1)).all()
    assert set(SHORTCUTS) == {"metadata_only", "context_only"}


def test_context_that_is_all_alike_or_new_tells_nothing_and_is_no_fault():
    train, test = of_context(60, 0), of_context(40, 1, metadata=['{"new": "x"}', "{}"], lang=["fr", "fr"])
    assert len(np.unique(score("context_only", train, test), axis=0)) <= 2
    long = pd.DataFrame(
        {"lang": [""], "feed": [""], "posted_at": [""], "text": [""], "metadata": ['{"a": "%s"}' % ("b" * 99)]}
    )
    assert context_of(long) == [{"lang": "", "feed": "", "text_length": 0.0, "hour": -1.0}]

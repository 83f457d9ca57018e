import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models import expert_school, linear, logistic
from cu_pipeline.models.family import Examples, Fitted
from cu_pipeline.models.folds import Fold
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.logistic import hard_labels
from cu_pipeline.models.probabilities import logits_to_probabilities

NOBODY: list[int] = []


def fit(train, kind=Kind.SINGLE, validation=None, **options):
    others = train.take(NOBODY) if validation is None else validation
    fitted = Linear().fit(train, others, kind, LinearOptions(**options), seed=0)
    return fitted, Linear().load(json.loads(json.dumps(fitted.config)), fitted.weights)


def right(model, examples, kind=Kind.SINGLE):
    logits = model.logits(examples.features)
    said = logits.argmax(1) if kind is Kind.SINGLE else (logits > 0).astype(int)[:, 0]
    return said == (examples.targets.argmax(1) if kind is Kind.SINGLE else examples.targets[:, 0])


@pytest.mark.parametrize("kind", list(Kind))
def test_it_learns_from_whatever_modality_a_clip_has(told_examples, kind):
    unseen = told_examples(80, 1, kind)
    _, model = fit(told_examples(160, 0, kind), kind)
    correct, seen = right(model, unseen, kind), unseen.features["frames"].present
    assert min(correct[seen].mean(), correct[~seen].mean()) > 0.9


def test_what_shows_in_the_direction_of_time_alone_is_learned(examples):
    fitted, model = fit(examples(120, 0))
    assert right(model, examples(80, 1)).mean() > 0.9
    weights = {one["feature"] + "." + one["form"]: one["weight"] for one in fitted.config["experts"]}
    assert max(weights, key=weights.get) == "frames.slope"


def scenes(n, seed, change):
    """Give clips whose class shows in how much neighbours (or all steps) differ, not in any mean."""
    random = np.random.default_rng(seed)
    lively = random.random(n) < 0.5
    steps = random.normal(size=(n, 8, 6)) * np.where(lively, 1.5, 0.5)[:, None, None]
    if change:  # the same values in another order: neighbours differ less
        steps = np.where(lively[:, None, None], steps, np.sort(steps * 3, axis=1))
    features = ClipFeatures({"frames": Feature(steps.astype(np.float32), np.ones(n, dtype=bool))}, n)
    return Examples(features, np.eye(2, dtype=np.float32)[lively.astype(int)])


@pytest.mark.parametrize("change", [False, True])
def test_what_shows_in_how_frames_differ_is_learned(change):
    _, model = fit(scenes(150, 0, change))
    assert right(model, scenes(100, 1, change)).mean() > 0.9


def captioned(n, seed, words=(("cat", "dog"), ("pan", "oven"))):
    random = np.random.default_rng(seed)
    truth = random.integers(0, len(words), n)
    texts = np.array([f"my {random.choice(words[one])} today {random.integers(9)}" for one in truth], dtype=object)
    return Examples(ClipFeatures({"caption_text": Feature.read(texts)}, n), np.eye(2, dtype=np.float32)[truth])


def test_words_are_learned():
    _, model = fit(captioned(80, 0))
    assert right(model, captioned(60, 1)).all()


def test_scripts_without_spaces_are_learned():
    words = (("我的猫真可爱", "小猫在睡觉"), ("今天做饭吃面", "学做饭第一天"))
    _, model = fit(captioned(80, 0, words))
    unseen = captioned(40, 1, (("看我的猫", "猫来了"), ("一起做饭吧", "他在做饭")))
    assert right(model, unseen).mean() > 0.75


def noisy(n, seed, clips=1):
    """Give clips in groups whose class is chance; each group's clips look alike and have one class."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n), clips)
    vectors = random.normal(size=(n, 30))[groups] + random.normal(scale=0.1, size=(n * clips, 30))
    features = ClipFeatures(
        {"captions": Feature(vectors.astype(np.float32), np.ones(n * clips, dtype=bool))}, n * clips
    )
    return Examples(features, np.eye(2, dtype=np.float32)[random.integers(0, 2, n)[groups]], groups)


def test_clips_of_a_group_do_not_vouch_for_one_another():
    told, alone = noisy(40, 0, clips=8), noisy(40, 0, clips=8)
    fooled = Examples(alone.features, alone.targets, None)
    sure = {}
    for name, train in (("groups", told), ("alone", fooled)):
        logits = fit(train)[1].logits(noisy(300, 1).features).astype(float)
        sure[name] = softmax(logits, axis=1).max(1).mean()
    assert sure["groups"] < 0.65, "nothing can be known of other groups"
    assert sure["alone"] > 0.9, "else this test could not fail"


def test_predictions_of_unseen_clips_come_calibrated():
    train, unseen = told_with_noise(300, 0), told_with_noise(2000, 1)
    fitted, model = fit(train)
    said = softmax(model.logits(unseen.features).astype(float), axis=1)
    gap = said.max(1).mean() - (said.argmax(1) == unseen.targets.argmax(1)).mean()
    assert abs(gap) < 0.04
    crossed = softmax(fitted.cross_fitted.astype(float), axis=1)
    assert abs(crossed.max(1).mean() - (crossed.argmax(1) == train.targets.argmax(1)).mean()) < 0.05


def told_with_noise(n, seed):
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, n)
    views = {
        name: Feature((random.normal(size=(n, 40)) + np.eye(40)[truth] * strength).astype(np.float32), np.ones(n, bool))
        for name, strength in (("captions", 2.0), ("frames", 1.0), ("noise", 0.0))
    }
    return Examples(ClipFeatures(views, n), np.eye(3, dtype=np.float32)[truth])


def test_without_groups_to_hold_out_the_first_strength_is_taken_and_nothing_is_cross_fitted(told_examples):
    one = told_examples(40, 0)
    together = Examples(one.features, one.targets, np.zeros(40, dtype=np.int64))
    fitted, _ = fit(together, strengths=(0.5, 7.0))
    assert {expert["strength"] for expert in fitted.config["experts"]} == {0.5}
    assert (fitted.cross_fitted, fitted.history) == (None, [])


def test_validation_clips_are_learned_from_too(told_examples):
    train, validation = told_examples(30, 0), told_examples(30, 1)
    fitted, _ = fit(train, validation=validation)
    both, _ = fit(train.joined(validation))
    assert len(fitted.cross_fitted) == 60
    np.testing.assert_array_equal(fitted.weights["captions.vector/slopes"], both.weights["captions.vector/slopes"])


def test_a_class_without_training_clips_is_never_answered(told_examples):
    train = told_examples(60, 0)
    wider = Examples(train.features, np.concatenate([train.targets, np.zeros((60, 1), np.float32)], axis=1))
    assert (fit(wider)[1].logits(train.features).argmax(1) < 2).all()


def test_one_class_alone_is_always_answered(told_examples):
    train = told_examples(20, 0)
    only = Examples(train.features, np.tile(np.float32([0, 1]), (20, 1)))
    assert (fit(only)[1].logits(train.features).argmax(1) == 1).all()


def test_clips_without_any_feature_get_the_shares_of_the_classes(told_examples):
    train = told_examples(90, 0)
    often = train.take(np.flatnonzero((train.targets[:, 1] == 1) | (np.arange(90) % 6 == 0)))
    _, model = fit(often)
    nothing = ClipFeatures(
        {name: Feature(one.values[:1] * 0, np.array([False])) for name, one in often.features.features.items()}, 1
    )
    assert logits_to_probabilities(model.logits(nothing), Kind.SINGLE, 1.0)[0, 1] > 0.6


def test_what_lies_where_a_feature_is_absent_cannot_move_the_answer(told_examples):
    train = told_examples(60, 0)
    _, model = fit(train)
    frames = train.features["frames"]
    garbage = np.where(frames.present[:, None, None], frames.values, np.float32(1e3))
    changed = ClipFeatures(dict(train.features.features) | {"frames": Feature(garbage, frames.present)}, len(train))
    np.testing.assert_array_equal(model.logits(changed), model.logits(train.features))


def test_weights_that_lack_an_expert_are_refused(told_examples):
    fitted, _ = fit(told_examples(40, 0))
    weights = {name: value for name, value in fitted.weights.items() if not name.startswith("captions.vector/slopes")}
    with pytest.raises(BundleError, match="of these linear experts"):
        Linear().load(fitted.config, weights)


def test_models_of_earlier_versions_answer_as_they_did():
    random = np.random.default_rng(0)
    frames, captions = random.normal(size=(4, 2, 3)).astype(np.float32), random.normal(size=(4, 5)).astype(np.float32)
    weights = {"coefficients": random.normal(size=(10, 2)).astype(np.float32), "intercept": np.float32([1, -1])}
    weights |= {"mean_frames": np.float32([1, 2, 3]), "scale_frames": np.float32([1, 1, 2])}
    weights |= {"mean_captions": np.zeros(5, np.float32), "scale_captions": np.ones(5, np.float32)}
    has = np.array([True, True, False, True])
    features = ClipFeatures({"frames": Feature(frames, has), "captions": Feature(captions, np.ones(4, dtype=bool))}, 4)
    model = Linear().load({"inputs": ["frames", "captions"]}, weights)
    seen = (frames.mean(1) - [1, 2, 3]) / [1, 1, 2] * has[:, None]
    columns = np.concatenate([seen, has[:, None], captions, np.ones((4, 1))], axis=1)
    np.testing.assert_allclose(model.logits(features), columns @ weights["coefficients"] + [1, -1], rtol=1e-5)
    with pytest.raises(BundleError, match="not those of a linear model of frames"):
        Linear().load({"inputs": ["frames"]}, weights)


def test_doubtful_labels_weigh_less():
    sure = hard_labels(np.float32([[0.9, 0.1], [0.4, 0.6]]), Kind.SINGLE)
    assert sure.truth.tolist() == [[True, False], [False, True]]
    assert sure.weight == pytest.approx([0.9, 0.6])
    several = hard_labels(np.float32([[0.9, 0.2], [0.5, 1.0]]), Kind.MULTI)
    assert several.truth.tolist() == [[True, False], [True, True]]
    assert several.weight == pytest.approx([0.85, 0.75])


def test_of_many_clips_a_sample_of_units_chooses_and_all_are_learned_from(told_examples):
    many = told_examples(400, 0)
    units = np.repeat(np.arange(100), 4)
    many = Examples(many.features, many.targets, units)
    fitted, model = fit(many, sample=100)
    asked = np.isfinite(fitted.cross_fitted).all(axis=1)
    assert 100 <= asked.sum() <= 104
    assert (asked.reshape(100, 4).all(axis=1) | ~asked.reshape(100, 4).any(axis=1)).all(), "units stay whole"
    of_all, of_sample = (
        right(model, told_examples(300, 1)),
        right(fit(many.take(asked.nonzero()[0]))[1], told_examples(300, 1)),
    )
    assert of_all.mean() >= of_sample.mean()
    mean = fitted.weights["frames.mean/mean"]
    np.testing.assert_allclose(
        mean, many.features["frames"].values.mean(axis=1)[many.features["frames"].present].mean(axis=0), rtol=1e-4
    )


def test_of_many_clips_as_much_is_learned_in_a_few_passes_and_all_are_scored_in_blocks(monkeypatch):
    words = (("cat", "dog", "hamster"), ("pan", "oven", "cat"))
    train, unseen = captioned(600, 0, words), captioned(300, 1, words)
    exact = right(fit(train)[1], unseen).mean()
    for module in (linear, logistic):
        monkeypatch.setattr(module, "MANY", 500)
    _, model = fit(train, sample=200)
    assert right(model, unseen).mean() > exact - 0.02
    whole = model.logits(unseen.features)
    monkeypatch.setattr(expert_school, "BLOCK", 7)
    np.testing.assert_allclose(model.logits(unseen.features), whole, rtol=1e-5)


@pytest.mark.parametrize("kind", list(Kind))
def test_fitting_again_learns_from_the_seen_clips_alone(told_examples, kind):
    everything = told_examples(160, 3, kind)
    fitted, _ = fit(everything, kind, strengths=(10.0,), folds=2)
    learned, misled = (everything.targets.copy() for _ in range(2))
    learned[120:], misled[:120] = 1 - learned[120:], 1 - misled[:120]
    turns = [Fold(np.arange(120), np.arange(120, 160))]
    truth = everything.targets[120:].argmax(1) if kind is Kind.SINGLE else everything.targets[120:, 0]
    for targets, share in ((everything.targets, 1), (learned, 1), (misled, 0)):
        (said,) = Linear().refits(fitted, replace(everything, targets=targets), turns, kind)
        named = said.argmax(1) if kind is Kind.SINGLE else said[:, 0] > 0
        assert (named == truth).mean() == pytest.approx(share, abs=0.1)


def test_a_model_of_an_earlier_format_is_not_fitted_again(told_examples):
    assert list(Linear().refits(Fitted({"inputs": {}}, {}), told_examples(4, 0), [], Kind.SINGLE)) == []

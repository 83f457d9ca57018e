import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.models.family import Examples
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.probabilities import logits_to_probabilities


def fit(train, validation, kind=Kind.SINGLE, options=LinearOptions()):  # noqa: B008
    fitted = Linear().fit(train, validation, kind, options, seed=0)
    return fitted, Linear().load(fitted.config, fitted.weights)


@pytest.mark.parametrize("kind", list(Kind))
def test_it_learns_from_whatever_modality_a_clip_has(told_examples, kind):
    validation = told_examples(80, 1, kind)
    _, model = fit(told_examples(160, 0, kind), validation, kind)
    logits = model.logits(validation.features)
    said = logits.argmax(1) == 1 if kind is Kind.SINGLE else logits[:, 0] > 0
    right = said == (validation.targets[:, -1] == 1)
    seen = validation.features["frames"].present
    assert min(right[seen].mean(), right[~seen].mean()) > 0.9


@pytest.mark.parametrize("strengths", [(1e4, 1e-4), (1e-4, 1e4)])
def test_the_strength_with_the_best_validation_loss_is_kept(examples, strengths):
    train, validation = examples(60, 0), examples(60, 1)  # nothing to be learned: the strongest penalty is best
    fitted, _ = fit(train, validation, options=LinearOptions(strengths=strengths))
    losses = {row["strength"]: row["val_loss"] for row in fitted.history}
    assert losses[1e-4] < losses[1e4]
    assert np.abs(fitted.weights["coefficients"]).max() < 0.01


def test_without_validation_clips_the_first_strength_is_taken(told_examples):
    fitted, _ = fit(told_examples(40, 0), told_examples(0, 1), options=LinearOptions(strengths=(0.5, 7.0)))
    assert [row["strength"] for row in fitted.history] == [0.5]


def test_doubtful_labels_weigh_less(told_examples):
    sure = told_examples(100, 0)
    doubtful = Examples(sure.features, 0.6 * sure.targets + 0.2)
    logits = [fit(train, told_examples(0, 1))[1].logits(sure.features) for train in (sure, doubtful)]
    spread = [np.abs(one[:, 1] - one[:, 0]).mean() for one in logits]
    assert spread[1] < spread[0]


def test_a_class_without_training_clips_is_never_answered(told_examples):
    train = told_examples(60, 0)
    wider = Examples(train.features, np.concatenate([train.targets, np.zeros((60, 1), np.float32)], axis=1))
    logits = fit(wider, told_examples(0, 1))[1].logits(train.features)
    assert (logits.argmax(1) < 2).all()


def test_one_class_alone_is_always_answered(told_examples):
    train = told_examples(20, 0)
    only = Examples(train.features, np.tile(np.float32([0, 1]), (20, 1)))
    assert (fit(only, told_examples(0, 1))[1].logits(train.features).argmax(1) == 1).all()


def test_weights_of_other_inputs_are_refused(told_examples):
    fitted, _ = fit(told_examples(40, 0), told_examples(0, 1))
    with pytest.raises(BundleError, match="not those of a linear model of frames"):
        Linear().load({"inputs": ["frames"]}, fitted.weights)


def half_absent(n=60):
    """Give clips of which a third lack the first feature; its vectors are far from 0, and it has two steps."""
    random = np.random.default_rng(0)
    has = np.arange(n) % 3 > 0
    seen = random.normal(50, 4, (n, 2, 3)).astype(np.float32) * has[:, None, None]
    said = random.normal(-3, 0.5, (n, 4)).astype(np.float32)
    features = ClipFeatures({"frames": Feature(seen, has), "captions": Feature(said, np.ones(n, dtype=bool))}, n)
    return Examples(features, np.eye(2, dtype=np.float32)[random.integers(0, 2, n)])


def test_clips_without_a_feature_do_not_count_in_its_standardisation():
    train = half_absent()
    fitted, _ = fit(train, train)
    known = train.features["frames"].values[train.features["frames"].present].mean(1)
    np.testing.assert_allclose(fitted.weights["mean_frames"], known.mean(0), rtol=1e-5)
    np.testing.assert_allclose(fitted.weights["scale_frames"], known.std(0) * np.sqrt(3), rtol=1e-4)


def test_what_lies_where_a_feature_is_absent_cannot_move_the_answer():
    train = half_absent()
    _, model = fit(train, train)
    frames = train.features["frames"]
    garbage = np.where(frames.present[:, None, None], frames.values, np.float32(1e3))
    changed = ClipFeatures(dict(train.features.features) | {"frames": Feature(garbage, frames.present)}, len(train))
    np.testing.assert_array_equal(model.logits(changed), model.logits(train.features))


def test_a_modality_of_many_numbers_weighs_no_more_than_one_of_few():
    train = half_absent()
    wide = {name: np.tile(train.features["captions"].values, (1, 25)) if name == "wide" else values
            for name, values in {"narrow": train.features["captions"].values, "wide": None}.items()}  # fmt: skip
    features = ClipFeatures({name: Feature(one, np.ones(60, dtype=bool)) for name, one in wide.items()}, 60)
    weights = fit(Examples(features, train.targets), Examples(features, train.targets))[0].weights
    sizes = [((wide[name] - weights[f"mean_{name}"]) / weights[f"scale_{name}"]) for name in wide]
    assert [np.square(one).sum(1).mean() for one in sizes] == pytest.approx([1, 1], rel=1e-3)


def test_a_single_label_fit_is_the_multinomial_regression_with_doubt_as_weight():
    random = np.random.default_rng(2)
    vectors = random.normal(size=(90, 3)).astype(np.float32)
    targets = random.dirichlet([1, 1, 1], 90).astype(np.float32)
    features = ClipFeatures({"captions": Feature(vectors, np.ones(90, dtype=bool))}, 90)
    train = Examples(features, targets)
    logits = fit(train, train.take([]), options=LinearOptions(strengths=(1e4,)))[1].logits(features)
    said = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    # where hardly penalised, the gradient of the likelihood is 0: mean answers are mean targets, also along each axis
    np.testing.assert_allclose(said.mean(0), targets.mean(0), atol=2e-3)
    np.testing.assert_allclose(vectors.T @ said / 90, vectors.T @ targets / 90, atol=5e-3)


def test_of_several_classes_each_has_its_own_regression():
    random = np.random.default_rng(3)
    vectors = random.normal(size=(200, 2)).astype(np.float32)
    targets = (random.random((200, 2)) < 1 / (1 + np.exp(-2 * vectors))).astype(np.float32)
    features = ClipFeatures({"captions": Feature(vectors, np.ones(200, dtype=bool))}, 200)
    train = Examples(features, targets)
    logits = fit(train, train.take([]), Kind.MULTI, LinearOptions(strengths=(1e4,)))[1].logits(features)
    said = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(said.mean(0), targets.mean(0), atol=5e-3)
    np.testing.assert_allclose(vectors.T @ said / 200, vectors.T @ targets / 200, atol=5e-3)


def two_parts(n, classes, seed=0, kind=Kind.SINGLE):
    """Vectors far from 0 that half of the clips lack, others that all have, and labels by chance of both."""
    random = np.random.default_rng(seed)
    seen = np.arange(n) % 2 == 0
    one = random.normal(5, 2, (n, 3)).astype(np.float32) * seen[:, None]
    other = random.normal(-3, 0.5, (n, 2)).astype(np.float32)
    features = ClipFeatures({"seen": Feature(one, seen), "said": Feature(other, np.ones(n, dtype=bool))}, n)
    if kind is Kind.MULTI:
        return Examples(features, (random.random((n, classes)) < 0.4).astype(np.float32))
    return Examples(features, np.eye(classes, dtype=np.float32)[random.integers(0, classes, n)])


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_it_is_scikit_learns_regression_on_standardised_vectors(classes):
    train = two_parts(80, classes)
    options = LinearOptions(strengths=(10.0,))
    logits = fit(train, two_parts(0, classes), options=options)[1].logits(train.features)
    columns = []
    for name in ("seen", "said"):
        feature = train.features[name]
        known = feature.values[feature.present]
        standard = (feature.values - known.mean(0)) / (known.std(0) * np.sqrt(known.shape[1]))
        columns += [standard * feature.present[:, None], feature.present[:, None]]
    model = LogisticRegression(C=10.0, max_iter=500).fit(np.hstack(columns), train.targets.argmax(1))
    expected = model.predict_proba(np.hstack(columns))
    np.testing.assert_allclose(softmax(logits, axis=1), expected, atol=5e-3)


@pytest.mark.parametrize("kind", list(Kind))
def test_on_average_it_answers_as_doubtful_as_the_labels_are(kind):
    """The intercept has no penalty, so mean probabilities are mean targets: of doubtful labels too."""
    train = two_parts(90, 3, kind=kind)
    doubtful = Examples(train.features, (0.8 * train.targets + 0.2 * np.float32([0.7, 0.2, 0.1])).astype(np.float32))
    logits = fit(doubtful, two_parts(0, 3), kind)[1].logits(train.features)
    said = logits_to_probabilities(logits, kind, 1.0)
    np.testing.assert_allclose(said.mean(0), doubtful.targets.mean(0), atol=2e-3)

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models import zero_shot
from cu_pipeline.models.ensemble import Ensemble, EnsembleOptions
from cu_pipeline.models.family import Examples
from cu_pipeline.models.probabilities import logits_to_probabilities
from cu_pipeline.models.zero_shot import ZeroShot, ZeroShotOptions

CLASSES = ("烹饪", "足球", "旅行")
OPTIONS = ZeroShotOptions(templates=("a video of {}.", "{}的视频。"))
FRAMES = 4


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    zero_shot._encoded.cache_clear()


@pytest.fixture(params=["clip", "siglip"])
def encoder(request: pytest.FixtureRequest, tiny_checkpoints: dict[str, Path]) -> ImageText:
    return ImageText({"name": str(tiny_checkpoints[request.param])}, FRAMES, device="cpu")


def prototypes(encoder: ImageText, phrases, options=OPTIONS) -> np.ndarray:
    """Where the text tower puts classes, by its definition: the mean of a class's sentences, of length 1."""
    means = np.stack([encoder.text_vectors(options.sentences(phrase)).mean(0) for phrase in phrases])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def clips(encoder: ImageText, vectors: np.ndarray, targets: np.ndarray, **fields) -> Examples:
    """Clips whose frames lie about `vectors` (n, width); the last has none."""
    random = np.random.default_rng(0)
    frames = vectors[:, None] + random.normal(scale=0.02, size=(len(vectors), FRAMES, vectors.shape[1]))
    present = np.arange(len(vectors)) < len(vectors) - 1
    feature = Feature(np.where(present[:, None, None], frames, 0).astype(np.float32), present)
    features = ClipFeatures({"image_text": feature}, len(vectors))
    told = {"classes": CLASSES, "inputs": {"image_text": FeatureInput.of(encoder)}} | fields
    return Examples(features, targets.astype(np.float32), np.arange(len(vectors)), **told)


def single(encoder: ImageText, phrases=CLASSES, *, n: int = 60, **fields) -> Examples:
    """Clips that lie where the sentences of their class do."""
    truth = np.arange(n) % len(CLASSES)
    return clips(encoder, prototypes(encoder, phrases)[truth], np.eye(len(CLASSES))[truth], **fields)


def model_of(examples: Examples, kind: Kind = Kind.SINGLE, options=OPTIONS):
    fitted = ZeroShot().fit(examples, examples.take([]), kind, options, 0)
    return fitted, ZeroShot().load(fitted.config, fitted.weights)


def test_the_class_whose_sentences_lie_nearest_is_told(encoder: ImageText) -> None:
    examples = single(encoder)
    fitted, model = model_of(examples)
    seen = examples.features["image_text"].present
    right = model.logits(examples.features).argmax(1) == examples.targets.argmax(1)
    unseen = fitted.cross_fitted.argmax(1) == examples.targets.argmax(1)
    assert right[seen].all()
    assert unseen[seen].all()
    assert fitted.config["sentences"]["足球"] == ["a video of 足球.", "足球的视频。"]


def test_labels_decide_no_direction(encoder: ImageText) -> None:
    examples = single(encoder)
    fitted, _ = model_of(examples)
    random = np.random.default_rng(1).permutation(len(examples))
    lied, _ = model_of(replace(examples, targets=examples.targets[random]))
    np.testing.assert_array_equal(fitted.weights["directions"], lied.weights["directions"])
    assert lied.weights["scale"][0] < fitted.weights["scale"][0] / 3


def test_scores_are_cosines_with_the_mean_frame_as_sharp_as_the_checkpoint(encoder: ImageText) -> None:
    examples = single(encoder, n=9)
    fitted, model = model_of(examples)
    frames = examples.features["image_text"].values[:-1].mean(1)
    cosines = frames @ prototypes(encoder, CLASSES).T / np.linalg.norm(frames, axis=1, keepdims=True)
    expected = cosines * encoder.sharpness * fitted.weights["scale"][0] + fitted.weights["bias"]
    np.testing.assert_allclose(model.logits(examples.features)[:-1], expected, atol=1e-4)


def test_a_clip_without_frames_gets_how_common_answers_are(encoder: ImageText) -> None:
    examples = single(encoder)
    fitted, model = model_of(examples)
    np.testing.assert_array_equal(model.logits(examples.features)[-1], fitted.weights["bias"])


def test_descriptions_speak_for_names(encoder: ImageText) -> None:
    words = {"烹饪": "somebody fries or bakes", "旅行": "mountains and beaches far away"}
    examples = single(encoder, [words.get(name, name) for name in CLASSES], descriptions=words)
    _, told = model_of(examples)
    right = told.logits(examples.features).argmax(1) == examples.targets.argmax(1)
    assert right[:-1].all()
    _, untold = model_of(replace(examples, descriptions={}))
    assert not np.array_equal(untold.directions, told.directions)


def test_any_number_of_classes_may_hold(encoder: ImageText, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the neutral sentence tells a clip of none from one of two classes: both are as near to the first class."""
    width = encoder.identity.shape[-1]
    places = {name: np.eye(width)[place] for place, name in enumerate((*CLASSES, "nothing"))}
    monkeypatch.setattr(ImageText, "text_vectors", lambda _, texts: np.stack([places[text] for text in texts]))
    options = ZeroShotOptions(templates=("{}",), neutral="nothing")
    kinds = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 0, 0]])[np.arange(100) % 5]
    shown, bare = kinds.any(1, keepdims=True), ~kinds.any(1, keepdims=True)
    first, apart = np.eye(width)[0], np.eye(width)[4]
    lying = 0.6 * kinds @ np.eye(3, width) + shown * 0.8 * apart + bare * (places["nothing"] + 0.6 * first)
    examples = clips(encoder, lying, kinds)
    fitted, model = model_of(examples, Kind.MULTI, options)
    for logits in (model.logits(examples.features), fitted.cross_fitted):
        found = logits_to_probabilities(logits, Kind.MULTI, 1.0) > 0.5
        np.testing.assert_array_equal(found[:-1], kinds[:-1].astype(bool))


def test_prediction_needs_no_checkpoint_but_fitting_says_that_it_is_missing(
    tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(tiny_checkpoints["clip"], tmp_path / "own"))
    examples = single(ImageText({"name": str(folder)}, FRAMES, device="cpu"))
    fitted, _ = model_of(examples)
    shutil.rmtree(folder)
    assert ZeroShot().load(fitted.config, fitted.weights).logits(examples.features).shape == (60, 3)
    zero_shot._encoded.cache_clear()
    with pytest.raises(BundleError, match="reads 'image_text' features, which cannot be made here"):
        model_of(examples)


def test_texts_are_encoded_once(encoder: ImageText, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = single(encoder)
    model_of(examples)
    monkeypatch.setattr(ImageText, "text_vectors", lambda *_: pytest.fail("encoded again"))
    model_of(examples.take(np.arange(30)))


def test_it_can_be_a_member_of_an_ensemble(encoder: ImageText) -> None:
    examples = single(encoder)
    options = EnsembleOptions(members={"zero_shot": {}, "linear": {}})
    fitted = Ensemble().fit(examples, examples.take([]), Kind.SINGLE, options, 0)
    model = Ensemble().load(fitted.config, fitted.weights)
    right = model.logits(examples.features).argmax(1) == examples.targets.argmax(1)
    assert right[:-1].all()


def test_it_reads_the_image_text_feature_alone() -> None:
    assert ZeroShot().reads({"frames": (8, 4), "image_text": (8, 4)}) == ["image_text"]
    assert ZeroShot().reads({"frames": (8, 4)}) == []


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a video of {name}.", r"has \{name\}: write \{\} once"),
        ("a video.", r"has no place for the class: write \{\} once"),
        ("{} and {}", r"has \{\}, \{\}: write"),
        ("a {} of {label}", r"has \{\}, \{label\}: write"),
        ("a video of {", r"cannot be read \(.*\): write"),
        ("a video of {:>9}", r"has \{\}: write"),
    ],
)
def test_a_template_with_other_places_is_told(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ZeroShotOptions(templates=(template,))


def test_weights_of_another_family_are_told() -> None:
    with pytest.raises(BundleError, match="are not those of a zero-shot model: 'directions' is absent"):
        ZeroShot().load({}, {"level": np.zeros(2)})

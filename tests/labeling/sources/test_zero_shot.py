import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import ANNOTATIONS
from cu_pipeline.features.image_text import ImageText
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.labeling.options import ZeroShotSourceOptions
from cu_pipeline.labeling.sources.eligibility import Ineligible
from cu_pipeline.labeling.sources.source import source_words, sources_say
from cu_pipeline.labeling.sources.zero_shot import annotate_by_zero_shot

OPTIONS = ZeroShotSourceOptions(enabled=True, price=0.001)
CLASSES = ("red", "blue", "green")


@pytest.fixture(scope="module")
def extractors(tiny_checkpoints: dict[str, Path]) -> FeatureOptions:
    return FeatureOptions(image_text={"checkpoint": {"name": str(tiny_checkpoints["clip"])}, "count": 2})


@pytest.fixture(scope="module")
def encoder(extractors: FeatureOptions) -> ImageText:
    return ImageText(**extractors.root["image_text"].model_dump())


@pytest.fixture
def store(encoder: ImageText, tmp_path: Path) -> FeatureStore:
    """Frames of three clips that lie where the sentences about blue, green and red do; none of a fourth."""
    store = FeatureStore(tmp_path / "features")
    told = encoder.text_vectors([f"a photo of {name}." for name in ("blue", "green", "red")])
    values = np.repeat(told[:, None], 2, axis=1)
    refused = np.full((1, *values.shape[1:]), np.nan, dtype=np.float32)
    store.append(encoder.identity, ["m0", "m1", "m2", "broken"], np.concatenate([values, refused]))
    return store


@pytest.fixture
def clips() -> pd.DataFrame:
    media = ["m0", "m1", "m2", "m3", "", "broken"]
    return pd.DataFrame({"clip_id": [f"c{number}" for number in range(6)], "media_sha256": media})


def annotated(clips, store, extractors, capability, options=OPTIONS):
    return annotate_by_zero_shot(lambda _: clips, store, extractors, {"colour": capability}, options, options.price)


def test_classes_are_told_by_their_names_alone(clips, store, extractors) -> None:
    said, ineligible = annotated(clips, store, extractors, Capability(classes=CLASSES))
    assert list(said.columns) == list(ANNOTATIONS)
    assert said["clip_id"].tolist() == ["c0", "c1", "c2"]
    assert said["label"].tolist() == ["blue", "green", "red"]
    assert set(said["kind"]) == {"zero_shot"}
    assert set(said["price"]) == {0.001}
    chances = [json.loads(text) for text in said["probabilities"]]
    assert [sum(one.values()) for one in chances] == pytest.approx([1.0] * 3, abs=1e-4)
    assert said["probability"].tolist() == pytest.approx([max(one.values()) for one in chances], abs=1e-5)
    assert ineligible[["clip_id", "reason", "annotator"]].to_numpy().tolist() == [
        ["c3", Ineligible.FRAMES, "zero_shot"]
    ], "a clip without video says nothing by what it is; one whose frames are not stored might have been asked"


def test_several_classes_may_hold_each_beside_what_is_true_of_all(clips, store, extractors, encoder) -> None:
    plain = OPTIONS.model_copy(update={"templates": ("a photo of {}.",)})
    said, _ = annotated(clips, store, extractors, Capability(kind=Kind.MULTI, classes=CLASSES), plain)
    about = encoder.text_vectors([f"a photo of {name}." for name in CLASSES])
    frames = about[[1, 2, 0]]
    beyond = frames @ about.T - frames @ encoder.text_vectors(["a video."]).T
    chances = pd.DataFrame([json.loads(text) for text in said["probabilities"]])
    np.testing.assert_allclose(chances[list(CLASSES)], expit(encoder.sharpness * beyond), atol=1e-3)
    holds = [[name for name, more in zip(CLASSES, row, strict=True) if more > 0] for row in beyond]
    assert said["label"].tolist() == ["|".join(sorted(one)) or "none" for one in holds]


def test_words_about_a_class_stand_for_its_name_and_change_the_version(clips, store, extractors) -> None:
    plain = Capability(classes=CLASSES)
    turned = {"red": "blue", "blue": "green", "green": "red"}
    said, _ = annotated(clips, store, extractors, plain)
    other, _ = annotated(clips, store, extractors, plain.model_copy(update={"class_descriptions": turned}))
    assert other["label"].tolist() == ["red", "blue", "green"]
    neutral, _ = annotated(clips, store, extractors, plain, OPTIONS.model_copy(update={"neutral": "anything"}))
    fewer, _ = annotated(clips, store, extractors, plain, OPTIONS.model_copy(update={"templates": ("{}",)}))
    versions = [set(one["version"]) for one in (said, other, fewer, neutral)]
    assert versions[0] == versions[3], "of one class no neutral sentence is asked"
    assert len(set.union(*versions)) == 3


def test_it_is_a_source_like_others(clips, store, extractors) -> None:
    colours = Capability(classes=CLASSES)
    said, _ = annotated(clips, store, extractors, colours)
    (source,) = sources_say(said, pd.Index(clips["clip_id"]), colours)
    assert (source.name, source.price) == ("zero_shot", pytest.approx(0.001))
    assert source.answers.tolist() == ["blue", "green", "red", "", "", ""]
    assert source_words(source.name) == "the zero-shot model"


def test_it_needs_the_frames_of_an_image_text_model(clips, store) -> None:
    with pytest.raises(ConfigurationError, match=r"label.zero_shot is enabled, but .* image_text .* featurize"):
        annotated(clips, store, FeatureOptions(), Capability(classes=CLASSES))

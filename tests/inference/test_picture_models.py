"""A model that looks at pictures, through training, tables of predictions, the reference of drift and the service."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.drift.samples import ClipSample, shared_parts
from cu_pipeline.features.extract import contents_of, extract_missing
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.media import decoding
from cu_pipeline.media.options import Limits
from cu_pipeline.models.families import FAMILIES, TrainOptions
from cu_pipeline.models.family import Fitted, reads_forms
from cu_pipeline.models.learned_clips import describe
from cu_pipeline.models.training import train, training_data

EXTRACTORS = build_all(FeatureOptions(pixels={"count": 4, "size": 32}, caption_text={}))
DARK_OR_BRIGHT = Capability(classes=("bright", "dark"))


class Brightness:
    """Calls a clip bright whose first picture is brighter than those of the clips it learned from."""

    options, revision = Options, 1

    def reads(self, shapes):
        return reads_forms(shapes, "pictures")

    def fit(self, train, validation, kind, options, seed):
        shades = levels(train.joined(validation).features)
        return Fitted({}, {"middle": np.array([np.nanmean(shades)], dtype=np.float32)})

    def load(self, config, weights):
        return Bright(float(weights["middle"][0]))


class Bright:
    def __init__(self, middle: float) -> None:
        self._middle = middle

    def logits(self, features):
        above = np.nan_to_num(levels(features) - self._middle)
        return np.stack([above, -above], axis=1).astype(np.float32) / 10


def levels(features) -> np.ndarray:
    pictures, present = features["pixels"].values, features["pixels"].present
    return np.array([pictures.decoded(row, [0]).mean() if has else np.nan for row, has in enumerate(present)])


@pytest.fixture(scope="module")
def clips(write_clip, tmp_path_factory) -> pd.DataFrame:
    """Eight clips, every other one bright, and one of which there is a caption only."""
    folder = tmp_path_factory.mktemp("clips")
    rows: list[dict[str, Any]] = []
    for number in range(9):
        text = f"clip {number}"
        row = {"clip_id": f"c{number}", "text": text, "text_sha256": text_sha256(text), "group": f"g{number}"}
        row |= {"split": ["train", "validation", "test"][number % 3], "has_audio": False, "bytes": 0}
        if number < 8:
            path = write_clip(folder / f"{number}.mp4", [40, 200][number % 2] + number)
            row |= {"path": str(path), "media_sha256": file_sha256(path)}
        rows.append({"path": "", "media_sha256": ""} | row)
    return table(rows, CLIPS)


@pytest.fixture(scope="module")
def store(clips, tmp_path_factory) -> FeatureStore:
    found = FeatureStore(tmp_path_factory.mktemp("store"))
    for chunk in extract_missing(list(EXTRACTORS.values()), contents_of(clips), found, Limits(), LocalMapper(1)):
        found.append(chunk.identity, chunk.keys, chunk.values)
    return found


@pytest.fixture
def fit(clips, store, monkeypatch):
    """Give a function that trains a family, of which one looks at pictures, to tell dark clips from bright ones."""
    monkeypatch.setitem(FAMILIES, "brightness", Brightness)
    names = ["bright" if number % 2 else "dark" for number in range(9)]
    labels = pd.DataFrame(
        {"clip_id": clips["clip_id"], "capability": "light", "label": names, "probabilities": "", "source": "human"},
        index=clips.index,
    )
    data = training_data("light", DARK_OR_BRIGHT, clips, labels)

    def make(family, **groups):
        options = TrainOptions.model_construct(family=family, threads=1, groups=groups)
        return train(data, store, EXTRACTORS, options, 1)

    return make


@pytest.fixture
def bundle(fit):
    return fit("brightness")


def test_it_reads_pictures_alone_and_the_service_says_what_the_tables_say(bundle, clips, store):
    assert list(bundle.inputs) == ["pixels"]
    offline = predict_table(clips, store, {"light": bundle})
    assert offline["label"].tolist()[:8] == ["dark", "bright"] * 4
    predictor = Predictor({"light": bundle})
    for row, clip in zip(offline.itertuples(), clips.itertuples(), strict=True):
        online = predictor.predict(Path(clip.path) if clip.path else None, clip.text)
        assert online.probabilities["light"] == json.loads(row.probabilities)
        assert (online.embedding.shape, online.parts) == ((0,), {})


def test_a_clip_is_decoded_once_for_pictures_and_frames(bundle, bundles, clips, monkeypatch):
    decoded, read_index = [], decoding.read_index
    monkeypatch.setattr(decoding, "read_index", lambda *given: decoded.append(given) or read_index(*given))
    found = Predictor(bundles | {"light": bundle}).predict(Path(clips["path"][1]), "a caption")
    assert len(decoded) == 1
    assert [name.partition("@")[0] for name in found.parts] == ["frames", "captions"]
    assert found.labels["light"] == "bright"


@pytest.mark.parametrize(
    ("members", "read"), [(["majority"], ["caption_text"]), (["majority", "brightness"], ["caption_text", "pixels"])]
)
def test_an_ensemble_is_served_without_pictures_that_no_member_reads(fit, members, read):
    options = FAMILIES["ensemble"].options(members={name: {} for name in members})
    assert list(fit("ensemble", ensemble=options).inputs) == read


def test_the_reference_of_drift_has_no_part_of_pictures_and_is_tested_all_the_same(bundle, clips, store):
    reference = describe(clips.assign(label="", source=""), store, bundle, bundle.inputs).table()
    assert set(reference["parts"]) == {"{}"}
    assert {len(row) for row in reference["embedding"]} == {0}
    assert shared_parts(ClipSample(reference), ClipSample(reference)) == ({}, [])


def test_families_that_read_numbers_and_words_see_no_pictures(monkeypatch):
    monkeypatch.setitem(FAMILIES, "brightness", Brightness)
    shapes = {name: one.identity.shape for name, one in EXTRACTORS.items()} | {"frames": (8, 1280)}
    read = {name: sorted(FAMILIES[name]().reads(shapes)) for name in ("majority", "linear", "fusion", "brightness")}
    words = ["caption_text", "frames"]
    assert read == {"majority": words, "linear": words, "fusion": ["frames"], "brightness": ["pixels"]}
    assert FAMILIES["majority"]().reads({"pixels": shapes["pixels"]}) == ["pixels"]

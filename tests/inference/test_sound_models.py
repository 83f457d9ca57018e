"""Clips that look alike and sound different, through training, baselines, the reference of drift and the service."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.drift.samples import ClipSample, shared_parts
from cu_pipeline.features.clip_features import read_features
from cu_pipeline.features.extract import contents_of, extract_missing
from cu_pipeline.features.extractor import shapes_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.inference.contests import Judged
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.media.options import Limits
from cu_pipeline.models.expert_views import learn_reading, views_of
from cu_pipeline.models.families import FAMILIES, TrainOptions
from cu_pipeline.models.learned_clips import describe
from cu_pipeline.models.training import train, training_data
from cu_pipeline.pipelines.evaluate.nodes import answer_by_baselines

EXTRACTORS = build_all(FeatureOptions(frames={"count": 2, "size": 64}, sound={"segments": 4}, caption_text={}))
SPEECH_OR_MUSIC = Capability(classes=("music", "speech"))
COUNT = 24
SILENT, NO_FILM = COUNT - 2, COUNT - 1


def sound(number: int) -> np.ndarray:
    """Two seconds of a chord of its own pitch, or of noise that swells four times a second."""
    rng, time = np.random.default_rng(number), np.arange(32_000) / 16_000
    if number % 2:
        return rng.uniform(0.03, 0.1) * rng.standard_normal(32_000) * (1 + np.cos(2 * np.pi * 4 * time))
    return rng.uniform(0.03, 0.1) * sum(np.sin(2 * np.pi * rng.uniform(200, 300) * part * time) for part in (1, 1.5, 2))


@pytest.fixture(scope="module")
def clips(write_film, tmp_path_factory) -> pd.DataFrame:
    """Films of one still picture, one of which is silent, and a caption without a film."""
    folder = tmp_path_factory.mktemp("films")
    rows: list[dict[str, Any]] = []
    for number in range(COUNT):
        row = {"clip_id": f"c{number:02}", "text": "", "text_sha256": "", "group": f"g{number}", "bytes": 0}
        row |= {"split": ["train", "train", "validation", "test"][number // 2 % 4], "has_audio": number < SILENT}
        row |= {"path": "", "media_sha256": "", "metadata": "{}", "lang": "", "feed": "films"}
        if number != NO_FILM:
            path = write_film(folder / f"{number}.mp4", None if number == SILENT else sound(number))
            row |= {"path": str(path), "media_sha256": file_sha256(path)}
        rows.append(row)
    return table(rows, CLIPS)


@pytest.fixture(scope="module")
def store(clips, tmp_path_factory) -> FeatureStore:
    found = FeatureStore(tmp_path_factory.mktemp("store"))
    read = [one for name, one in EXTRACTORS.items() if name != "caption_text"]
    for chunk in extract_missing(read, contents_of(clips), found, Limits(), LocalMapper(1)):
        found.append(chunk.identity, chunk.keys, chunk.values)
    return found


@pytest.fixture(scope="module")
def labels(clips) -> pd.DataFrame:
    names = [SPEECH_OR_MUSIC.classes[number % 2] for number in range(COUNT)]
    return pd.DataFrame(
        {"clip_id": clips["clip_id"], "capability": "talk", "label": names, "probabilities": "", "source": "human"}
    )


@pytest.fixture(scope="module", params=["linear", "fusion"])
def bundle(request, clips, labels, store):
    extractors = {name: one for name, one in EXTRACTORS.items() if name != "caption_text"}
    data = training_data("talk", SPEECH_OR_MUSIC, clips, labels)
    fusion = FAMILIES["fusion"].options(epochs=20, batch_size=8, width=16)
    options = TrainOptions.model_construct(family=request.param, threads=1, groups={"fusion": fusion})
    return train(data, store, extractors, options, 1)


def heard(clips: pd.DataFrame, *splits: str) -> pd.DataFrame:
    return clips[clips["has_audio"] & clips["split"].isin(splits)]


def test_what_sounds_different_is_told_apart_though_it_looks_alike(bundle, clips, store):
    frames = read_features(clips.iloc[:SILENT], store, {"frames": FeatureInput.of(EXTRACTORS["frames"])})["frames"]
    np.testing.assert_array_equal(frames.values, np.broadcast_to(frames.values[:1], frames.values.shape))
    answers = predict_table(heard(clips, "test"), store, {"talk": bundle})
    assert answers["label"].tolist() == ["music", "speech"] * (len(answers) // 2)


def test_the_service_says_what_the_tables_say_with_sound_or_without(bundle, clips, store):
    offline = predict_table(clips, store, {"talk": bundle})
    predictor = Predictor({"talk": bundle})
    for place in (0, 1, SILENT, NO_FILM):
        path = clips["path"][place]
        online = predictor.predict(Path(path) if path else None, "")
        said = json.loads(offline["probabilities"][place])
        assert online.probabilities["talk"] == pytest.approx(said, abs=1e-5)
        assert [name.partition("@")[0] for name in online.parts] == ["frames", "sound"]


def test_bad_sound_in_a_good_film_counts_as_none(bundle, clips, tmp_path):
    import av

    data = bytearray(Path(clips["path"][0]).read_bytes())
    with av.open(clips["path"][0]) as container:
        for packet in filter(lambda packet: packet.size, container.demux(audio=0)):
            data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    (tmp_path / "spoilt.mp4").write_bytes(data)
    predictor = Predictor({"talk": bundle}, workers=1)
    try:
        spoilt, silent = (
            predictor.predict(Path(path), "") for path in (tmp_path / "spoilt.mp4", clips["path"][SILENT])
        )
    finally:
        predictor.close()
    assert spoilt.probabilities["talk"] == pytest.approx(silent.probabilities["talk"], abs=1e-3)


@pytest.mark.parametrize("bundle", ["linear"], indirect=True)
def test_baselines_hear_it_too(bundle, clips, labels, store):
    judged = {"talk": Judged.of("talk", SPEECH_OR_MUSIC, clips, labels)}
    resolved = SimpleNamespace(active={"talk": SPEECH_OR_MUSIC})
    answers = answer_by_baselines(judged, {"talk": bundle}, store, resolved, 1)["talk"]
    assert {"sound_logistic", "sound_differences_logistic"} <= set(answers)


def test_the_reference_of_drift_has_a_part_of_sound(bundle, clips, store):
    reference = describe(clips.assign(label="", source=""), store, bundle, bundle.inputs).table()
    parts, _ = shared_parts(ClipSample(reference), ClipSample(reference))
    assert [name.partition("@")[0] for name in parts] == ["frames", "sound"]


def test_linear_experts_look_at_sound_in_every_form(clips, store):
    features = read_features(clips, store, {"sound": FeatureInput.of(EXTRACTORS["sound"])})
    assert features["sound"].present.tolist() == [True] * SILENT + [False, False]
    found = {}
    for view in views_of({"sound": features["sound"]}):
        seen = view.of(features)
        found[view.form] = learn_reading(view, seen, many=False)[0].matrix(seen)
    assert list(found) == ["mean", "spread", "change", "slope", "all"]
    assert all(np.isfinite(one).all() for one in found.values())
    assert not any(one[SILENT:].any() for one in found.values())
    assert set(FAMILIES["linear"]().reads(shapes_of(EXTRACTORS))) == {"frames", "sound", "caption_text"}

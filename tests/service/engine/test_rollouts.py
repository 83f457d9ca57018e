"""Challengers beside and instead of champions, by what a router says."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cu_pipeline.features.caption_encoder import CaptionEncoder
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.service.engine.engine import Engine
from cu_pipeline.service.engine.interface import ClipRequest
from cu_pipeline.service.engine.options import EngineOptions, EngineSettings


@dataclass
class Rollouts:
    """A router that is told what to say."""

    folders: dict[str, Path] = field(default_factory=dict)
    canary: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def challengers(self) -> Mapping[str, Path]:
        return self.folders

    def role(self, capability, key):
        self.asked.append((capability, key))
        return "challenger" if key in self.canary else "champion"

    def shadowed(self, capability):
        return capability in self.folders


@pytest.fixture(scope="module")
def bundles(make_bundle, looks_and_words):
    more = FeatureOptions(looks_and_words.root | {"motion": {"pairs": 3}, "captions": {"max_tokens": 8}})
    words = FeatureOptions({"captions": {"max_tokens": 16}})
    return {
        "topic": make_bundle(extracted=looks_and_words, std=1),
        "mood": make_bundle("mood", extracted=words, std=1),
        "alike": make_bundle(extracted=looks_and_words, seed=2, std=1),
        "other features": make_bundle(extracted=more, seed=3, std=1),
    }


@pytest.fixture(scope="module")
def settings(bundles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    for name in ("topic", "mood"):
        bundles[name].save(folder / name)
    return EngineSettings(folder, options=EngineOptions(decoders=1, encoders=1))


@pytest.fixture
def start(settings, bundles, tmp_path, metrics):
    """Start an engine that compares a challenger, with nothing in the background."""
    started = []

    def begin(challenger, **more):
        bundles[challenger].save(tmp_path / "challenger")
        router = Rollouts({"topic": tmp_path / "challenger"}, **more)
        started.append(Engine.start(settings, metrics, router))
        return started[-1], router

    yield begin
    for one in started:
        asyncio.run(one.close(5))


def classify(engine, media=None, caption="a caption", **more):
    return asyncio.run(engine.classify(ClipRequest(media, caption, {}, **more)))


def test_a_shadow_sees_a_copy_and_a_canary_answers_with_its_version(start, bundles, metrics):
    engine, router = start("alike", canary={"ann"})
    challenger = Predictor({"topic": bundles["alike"]}).predict(None, "a caption")
    champion = Predictor({"topic": bundles["topic"]}).predict(None, "a caption")
    assert engine.challengers()["topic"].version == bundles["alike"].version
    assert engine.bundles()["topic"].version == bundles["topic"].version

    plain = classify(engine, key="bob")
    assert plain.prediction.roles == {"topic": "champion", "mood": "champion"}
    assert plain.prediction.challengers == {}
    assert plain.prediction.probabilities["topic"] == pytest.approx(champion.probabilities["topic"])
    shadow = asyncio.run(engine.shadow(plain))
    assert shadow["topic"].probabilities == pytest.approx(challenger.probabilities["topic"])
    assert shadow["topic"].version == bundles["alike"].version
    assert shadow["topic"].ms > 0
    assert metrics.shadows == [("topic", champion.labels["topic"] == challenger.labels["topic"])]

    canary = classify(engine, key="ann")
    assert canary.prediction.roles == {"topic": "challenger", "mood": "champion"}
    assert canary.prediction.probabilities["topic"] == pytest.approx(challenger.probabilities["topic"])
    assert canary.prediction.versions["topic"] == bundles["alike"].version
    assert canary.prediction.champions["topic"].label == champion.labels["topic"]
    assert asyncio.run(engine.shadow(canary)) == canary.prediction.challengers
    assert ("topic", "ann") in router.asked


def test_without_a_key_the_content_decides(start):
    engine, router = start("alike")
    classify(engine, caption="one")
    classify(engine, caption="one")
    classify(engine, caption="two")
    keys = [key for _, key in router.asked]
    assert keys[0] == keys[1] != keys[2]


def test_what_only_the_challenger_reads_is_computed_after_the_answer(start, bundles, film, monkeypatch):
    engine, _ = start("other features", canary={"ann"})
    encoded = []
    encode = CaptionEncoder.encode
    monkeypatch.setattr(
        CaptionEncoder,
        "encode",
        lambda self, given: encoded.append(self.parameters["max_tokens"]) or encode(self, given),
    )
    clip = film()
    found = classify(engine, clip)
    assert encoded == [16]
    shadow = asyncio.run(engine.shadow(found))
    assert encoded == [16, 8]
    expected = Predictor({"topic": bundles["other features"]}).predict(clip, "a caption")
    assert shadow["topic"].probabilities == pytest.approx(expected.probabilities["topic"], abs=1e-5)
    canary = classify(engine, clip, key="ann").prediction
    assert canary.probabilities["topic"] == pytest.approx(expected.probabilities["topic"], abs=1e-5)
    assert canary.parts == found.prediction.parts


def test_a_challenger_that_fails_costs_no_request(start, bundles, film, monkeypatch, caplog):
    engine, _ = start("other features", canary={"ann"})
    encode = CaptionEncoder.encode

    def failing(self, given):
        if self.parameters["max_tokens"] == 8:
            raise MemoryError("no memory")
        return encode(self, given)

    monkeypatch.setattr(CaptionEncoder, "encode", failing)
    found = classify(engine, film(), key="ann").prediction
    assert found.roles["topic"] == "champion"
    assert found.versions["topic"] == bundles["topic"].version
    assert found.labels["topic"]
    assert found.challengers["topic"].error
    shadow = asyncio.run(engine.shadow(classify(engine)))
    assert "no memory" in shadow["topic"].error
    assert "no memory" in caplog.text


def test_rollouts_come_and_go_and_a_damaged_challenger_is_not_asked(start, bundles, settings, caplog):
    engine, router = start("alike")
    live, folder = engine._live, router.folders["topic"]
    (folder / "model.safetensors").write_bytes(b"damaged")
    for _ in range(50):
        live.check()
        if not engine.challengers():
            break
        time.sleep(0.05)
    assert engine.challengers() == {}
    assert caplog.text.count(f"{folder} cannot be used") == 1
    assert asyncio.run(engine.shadow(classify(engine))) == {}
    bundles["alike"].save(folder)
    for _ in range(100):
        live.check()
        if engine.challengers():
            break
        time.sleep(0.05)
    assert engine.challengers()["topic"].version == bundles["alike"].version
    before = classify(engine)
    router.folders = {}
    for _ in range(100):
        live.check()
        if not engine.challengers():
            break
        time.sleep(0.05)
    assert asyncio.run(engine.shadow(before)) == {}
    assert classify(engine).shadow_input is None


def test_a_router_that_fails_leaves_the_champions(start, monkeypatch, caplog):
    engine, router = start("alike")

    def failing(*_):
        raise OSError("no disk")

    monkeypatch.setattr(router, "role", failing)
    assert classify(engine).prediction.roles["topic"] == "champion"
    assert "no disk" in caplog.text

"""The predictor of a running service follows the folder of the champions, whatever happens to that."""

import shutil
from pathlib import Path
from threading import Thread

import pytest

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BadClipError, BundleError
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.service.engine import live_predictor
from cu_pipeline.service.engine.live_predictor import Builder, LivePredictor
from cu_pipeline.service.engine.warm_up import write_grey_clip

WORDS = FeatureOptions({"captions": {}})


@pytest.fixture(autouse=True)
def _cold(monkeypatch):
    """A grey clip takes seconds, since the networks that see it are loaded."""
    monkeypatch.setattr(live_predictor, "warm_up", lambda *_: None)


@pytest.fixture
def bundle(make_bundle):
    return lambda name="topic", seed=1: make_bundle(name, extracted=WORDS, seed=seed)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "champions"


@pytest.fixture
def served(folder):
    return BundlesDataset(filepath=str(folder))


@pytest.fixture
def live(folder, served, bundle):
    """A predictor that has started with two capabilities."""
    served.save({"topic": bundle(), "safety": bundle("safety")})
    one = LivePredictor.start(folder, Builder())
    yield one
    one.close()


def versions(live):
    with live.use() as predictor:
        return {name: one.version for name, one in predictor.bundles.items()}


def of(*bundles):
    return {one.capability: one.version for one in bundles}


def test_a_promotion_and_its_rollback_are_served_at_the_next_look(live, served, bundle):
    topic, safety, better = bundle(), bundle("safety"), bundle(seed=2)
    assert not live.check()
    for champion in (better, topic):
        served.save({"topic": champion, "safety": safety})
        assert live.check()
        assert versions(live) == of(champion, safety)
        assert not live.check()


def test_a_capability_that_is_promoted_first_appears_and_one_that_is_withdrawn_goes(live, served, bundle):
    topic, safety, mood = bundle(), bundle("safety"), bundle("mood")
    served.save({"topic": topic, "safety": safety, "mood": mood})
    assert live.check()
    assert versions(live) == of(topic, safety, mood)
    served.save({"topic": topic, "mood": mood})
    assert not live.check()  # it might be on its way back
    assert live.check()
    assert versions(live) == of(topic, mood)


@pytest.mark.parametrize("damage", ["cut", "half written", "no weights", "no JSON", "odd JSON"])
def test_a_damaged_bundle_is_told_once_and_the_former_keeps_answering(live, folder, bundle, damage, caplog):
    topic, safety, new, other = bundle(), bundle("safety"), bundle(seed=2), bundle("safety", seed=2)
    new.save(folder.parent / "new")
    weights, config = folder / "topic/model.safetensors", folder / "topic/bundle.json"
    match damage:
        case "cut":
            weights.write_bytes(weights.read_bytes()[:100])
        case "half written":
            shutil.copy(folder.parent / "new/model.safetensors", weights)
        case "no weights":
            weights.unlink()
        case "no JSON":
            config.write_text("")
        case _:
            config.write_text('{"format": 2, "version": "a", "content": "b"}')
    other.save(folder / "safety")
    assert live.check()  # what is well is served nevertheless
    assert not live.check()
    assert versions(live) == of(topic, other)
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(told) == 1
    assert f"{folder / 'topic'} cannot be used" in told[0]
    assert f"{topic.version} keeps answering" in told[0]
    new.save(folder / "topic")
    assert live.check()
    assert versions(live) == of(new, other)
    assert safety.version != other.version


def test_a_folder_that_vanishes_changes_nothing_until_it_is_there_again(live, folder, served, bundle, caplog):
    folder.rename(folder.with_name("away"))
    for _ in range(3):
        assert not live.check()
    assert versions(live) == of(bundle(), bundle("safety"))
    assert caplog.text.count("holds no bundle any more") == 1
    served.save({"topic": bundle(seed=3)})
    assert not live.check()
    assert live.check()
    assert versions(live) == of(bundle(seed=3))


def test_models_that_do_not_answer_are_not_served_and_tried_again_later(live, served, bundle, monkeypatch, caplog):
    def failing(*_):
        raise MemoryError("no memory")

    served.save({"topic": bundle(seed=2), "safety": bundle("safety")})
    with monkeypatch.context() as patch:
        patch.setattr(live_predictor, "warm_up", failing)
        assert not live.check()
    assert versions(live) == of(bundle(), bundle("safety"))
    assert "no memory. The former ones keep answering" in caplog.text
    assert not live.check()
    monkeypatch.setattr(live_predictor, "RETRY_S", 0.0)
    live._retry_at = 0.0
    assert live.check()
    assert versions(live)["topic"] == bundle(seed=2).version


def test_looking_while_bundles_are_replaced_finds_whole_ones_only(live, folder, served, bundle, caplog):
    """Both the look of a running service and the start of another, beside a writer that hardly pauses."""
    both = [{"topic": bundle(seed=seed), "safety": bundle("safety", seed=seed)} for seed in (1, 2)]
    writer = Thread(target=lambda: [served.save(both[number % 2]) for number in range(12)])
    writer.start()
    while writer.is_alive():
        live.check()
        LivePredictor.start(folder, Builder()).close()
    live.check()
    assert versions(live) == of(*both[1].values())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_at_the_start_a_damaged_bundle_is_an_error(folder, bundle):
    bundle().save(folder / "topic")
    (folder / "topic/model.safetensors").unlink()
    with pytest.raises(BundleError, match="topic"):
        LivePredictor.start(folder, Builder())


@pytest.mark.slow
def test_a_request_that_is_under_way_ends_with_the_model_and_the_decoders_it_began_with(
    make_bundle, folder, served, tmp_path
):
    """Two promotions pass while it lasts: the first shares its decoders, the second looks at media in another way."""
    clip = write_grey_clip(tmp_path / "clip.mp4")
    moving = FeatureOptions({"motion": {}})
    first, second = (make_bundle(extracted=moving, seed=seed, kind=Kind.SINGLE) for seed in (1, 2))
    third = make_bundle(extracted=FeatureOptions({"motion": {"pairs": 4}}))
    served.save({"topic": first})
    live = LivePredictor.start(folder, Builder(1))
    with live.use() as slow:
        for champion in (second, third):
            served.save({"topic": champion})
            assert live.check()
        assert not live.check()
        assert slow.predict(Path(clip), "").versions == of(first)
    with live.use() as predictor:
        assert predictor.predict(Path(clip), "").versions == of(third)
        live.check()
        with pytest.raises(BadClipError, match="ended"):
            slow.predict(Path(clip), "")
        assert predictor.predict(Path(clip), "").versions == of(third)
    live.close()

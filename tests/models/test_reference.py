import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.models import learned_clips
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.learned_clips import describe

EXTRACTED = FeatureOptions(frames={}, captions={}, motion={})


def some_clips(n=12):
    rows = [
        {"clip_id": f"c{row:02}", "path": "", "text": f"caption {row}", "raw_text": "", "creator": f"k{row // 2}"}
        | {"posted_at": "", "lang": "en-US", "lang_source": "feed", "media_sha256": f"m{row}", "text_sha256": f"t{row}"}
        | {"duration_s": 2.0, "width": 64.0, "height": 48.0, "fps": 8.0, "codec": "h264", "has_audio": row == 1}
        | {"bytes": 9, "group": f"g{row // 2}", "split": "train" if row < 8 else "validation", "metadata": "{}"}
        | {"feed": "f"}
        for row in range(n)
    ]
    clips = table(rows, CLIPS)
    clips.loc[0, ["media_sha256", "bytes", "width"]] = ["", 0, np.nan]
    clips.loc[2, ["text_sha256", "text", "creator"]] = ["", "", ""]
    return clips.assign(label="a", source="human")


@pytest.fixture(scope="module")
def extractors():
    return build_all(EXTRACTED)


@pytest.fixture
def inputs(extractors):
    return {name: FeatureInput.of(one) for name, one in extractors.items()}


@pytest.fixture
def store(tmp_path, extractors):
    store, rng, clips = FeatureStore(tmp_path / "features"), np.random.default_rng(1), some_clips()
    for one in extractors.values():
        keys = sorted(set(clips["media_sha256" if one.identity.name != "captions" else "text_sha256"]) - {""})
        store.append(one.identity, keys, rng.normal(size=(len(keys), *one.identity.shape)).astype(np.float32))
    return store


@pytest.fixture
def model(make_bundle):
    return make_bundle(classes=("a", "b"), extracted=FeatureOptions(frames={}, captions={}))


def test_it_tells_of_each_clip_what_traffic_tells(store, model, inputs):
    found = describe(some_clips(), store, model, inputs).table().set_index("clip_id")
    assert found["group"].tolist()[:4] == ["creator:k0", "creator:k0", "content:m2/", "creator:k1"]
    assert found.loc["c00", ["content", "has_video", "has_caption"]].tolist() == ["/t0", 0, 1]
    assert found.loc["c00", ["bytes", "width", "has_sound"]].isna().all()
    assert found.loc["c02", ["has_video", "has_caption", "has_sound", "text_length"]].tolist() == [1, 0, 0, 0]
    assert found.loc["c01", ["has_sound", "language", "truth", "truth_source"]].tolist() == [1, "en", "a", "human"]
    parts = {"frames", "motion", "captions"}
    assert {part.partition("@")[0] for part in json.loads(found["parts"].iloc[0])} == parts
    frames = store.read(inputs["frames"], ["m3"])[0].mean(axis=0)
    np.testing.assert_allclose(found.loc["c03", "embedding"][: len(frames)], frames, atol=2e-3)
    assert not found.loc["c00", "embedding"][: len(frames)].any()


def test_what_was_learned_is_told_as_unseen_and_otherwise_not_at_all(store, model, inputs):
    clips = some_clips()
    plain = describe(clips, store, model, inputs).table()
    assert (plain["labels"] == "{}").tolist() == (clips["split"] == "train").tolist()
    keys = content_keys(clips)
    logits = np.full((len(clips), 2), [2.0, 0.0], dtype=np.float32)
    crossed = replace(model, learned_from=tuple(sorted(keys)), cross_fitted=logits)
    told = describe(clips, store, crossed, inputs).table()
    assert told["labels"].tolist() == ['{"topic": "a"}'] * len(clips)
    assert told["versions"].tolist() == [f'{{"topic": "{crossed.version}"}}'] * len(clips)


def test_of_many_clips_whole_units_are_drawn_alike(store, model, inputs, monkeypatch):
    monkeypatch.setattr(learned_clips, "MOST_CLIPS", 7)
    clips = some_clips()
    first = describe(clips, store, model, inputs)
    found = clips[clips["clip_id"].isin(first.table()["clip_id"])]
    assert len(found) == 6
    assert (found["group"].value_counts() == 2).all()
    assert describe(clips.iloc[::-1], store, model, inputs).table()["clip_id"].sort_values().tolist() == sorted(
        found["clip_id"]
    )
    whole = clips.assign(group="one")
    assert len(describe(whole, store, model, inputs).table()) == 7


def test_features_that_the_model_does_not_read_are_kept_where_there_is_room(store, model, inputs, monkeypatch):
    monkeypatch.setattr(learned_clips, "MOST_BYTES", 0)
    found = describe(some_clips(), store, model, inputs).table()
    assert "motion" not in found["parts"].iloc[0]
    assert "frames" in found["parts"].iloc[0]


def test_it_comes_back_with_its_model_and_changes_no_version(store, model, inputs, tmp_path):
    reference = describe(some_clips(), store, model, inputs)
    assert reference == describe(some_clips(), store, model, inputs)
    told = model.described_by(reference)
    assert told.version == model.version
    told.save(tmp_path / "model")
    loaded = Bundle.load(tmp_path / "model")
    assert loaded.reference == reference
    pd.testing.assert_frame_equal(loaded.reference.table(), reference.table())
    (tmp_path / "model/reference.parquet").write_bytes(b"another")
    with pytest.raises(BundleError, match="the file was changed"):
        Bundle.load(tmp_path / "model")
    (tmp_path / "model/reference.parquet").unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(tmp_path / "model")


def test_it_is_left_out_of_what_is_served(store, model, inputs, tmp_path):
    told = model.described_by(describe(some_clips(), store, model, inputs))
    told.save(tmp_path)
    told.for_serving().save(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["bundle.json", "model.safetensors"]
    assert Bundle.load(tmp_path).reference is None


def test_a_model_of_an_earlier_version_is_written_again_with_it_and_then_left_alone(store, model, inputs, tmp_path):
    dataset = BundlesDataset(filepath=str(tmp_path / "bundles"))
    dataset.save({"topic": model})
    told = model.described_by(describe(some_clips(), store, model, inputs))
    dataset.save({"topic": told})
    assert dataset.load()["topic"].reference == told.reference
    before = (tmp_path / "bundles/topic/bundle.json").stat().st_mtime_ns
    dataset.save({"topic": told})
    assert (tmp_path / "bundles/topic/bundle.json").stat().st_mtime_ns == before

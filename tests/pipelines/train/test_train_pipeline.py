"""The train pipeline on invented features: what it learns from, and when it keeps an earlier bundle."""

from dataclasses import replace

import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capability
from cu_pipeline.datasets.bundles import BundlesDataset
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.models.bundle import content_keys
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.fusion import Fusion
from cu_pipeline.models.training import training_data
from cu_pipeline.pipelines.train import create_pipeline

SMALL = {"epochs": 2, "batch_size": 6, "width": 8}
OPTIONS = TrainOptions(family="fusion", fusion=SMALL, threads=1)


def run(world, folder, options=OPTIONS, seed=7):
    """Run the pipeline with bundles in `folder`; give topic's bundle and what the run counted."""
    bundles, histories, counts = run_all(world, folder, options, seed)
    assert histories == {"topic": bundles["topic"].history}
    return bundles["topic"], counts


def run_all(world, folder, options=OPTIONS, seed=7):
    """Run the pipeline; give the bundles, their histories and what the run counted."""
    bundles = BundlesDataset(filepath=str(folder))
    datasets = {
        "clips": world.clips,
        "labels": world.labels,
        "capabilities_resolved": world.resolved,
        "features": world.store,
        "fit_checkpoints": folder.parent / "checkpoints",
        "params:train": options,
        "params:featurize.extractors": world.extracted,
        "params:compute": ComputeOptions(),
        "params:seed": seed,
    }
    catalog = DataCatalog(
        {name: MemoryDataset(value) for name, value in datasets.items()}
        | {"bundle_cache": BundlesDataset(filepath=str(folder), lenient=True), "bundles": bundles}
        | {"training_history": MemoryDataset()}
    )
    counters.reset()
    SequentialRunner().run(create_pipeline(), catalog)
    return bundles.load(), catalog.load("training_history"), counters.counts()


@pytest.fixture
def learnable(world):
    """The world with features for all but the test clips."""
    world.store_features(world.clips[world.clips["split"] != "test"])
    return world


def test_a_bundle_tells_what_it_learned_from_and_what_had_no_label(world):
    bare = world.clips["clip_id"].iloc[::5]
    labels = world.labels[~world.labels["clip_id"].isin(bare)]
    data = training_data("topic", Capability(classes=("cooking", "sport")), world.clips, labels)
    others = world.clips[world.clips["clip_id"].isin(bare) & (world.clips["split"] != "test")]
    assert data.unlabelled == tuple(sorted(content_keys(others)))
    assert len(data.clips) + len(others) == (world.clips["split"] != "test").sum()


TRAINED, REUSED = {"models_reused": 0, "models_trained": 1}, {"models_reused": 1, "models_trained": 0}


def test_a_bundle_is_kept_while_nothing_changes(learnable, tmp_path):
    first, counts = run(learnable, tmp_path / "bundles")
    assert counts == TRAINED
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "bundles").rglob("*")}
    second, counts = run(learnable, tmp_path / "bundles")
    assert counts == REUSED
    assert second.version == first.version
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "bundles").rglob("*")} == written


def test_equal_inputs_train_equal_bundles(learnable, tmp_path):
    assert run(learnable, tmp_path / "one")[0].version == run(learnable, tmp_path / "two")[0].version


def other_label(world):
    labels = world.labels.copy()
    labels.loc[0, "label"] = "sport"
    return {"world": replace(world, labels=labels)}


def other_certainty(world):
    return {"world": world.relabel("train", probabilities='{"cooking": 0.5, "sport": 0.5}')}


def other_features(world):
    extracted = FeatureOptions(frames={"count": 2, "size": 64}, captions={"max_tokens": 9})
    world.store_features(world.clips[world.clips["split"] != "test"], extracted)
    return {"world": replace(world, extracted=extracted)}


def other_content(world):
    clips = world.clips.copy()
    clips.loc[0, "text_sha256"] = "t4"
    return {"world": replace(world, clips=clips)}


def other_split(world):
    clips = world.clips.copy()
    clips.loc[0, "split"] = "validation"
    return {"world": replace(world, clips=clips)}


def other_option(world):
    return {"options": TrainOptions(family="fusion", fusion=SMALL | {"learning_rate": 1e-3}, threads=1)}


def other_family(world):
    return {"options": TrainOptions(family="linear", threads=1)}


def other_seed(world):
    return {"seed": 8}


@pytest.mark.parametrize(
    "change",
    [other_label, other_certainty, other_features, other_content, other_split, other_option, other_family, other_seed],
    ids=lambda change: change.__name__,
)
def test_a_changed_input_trains_again(learnable, tmp_path, change):
    before, _ = run(learnable, tmp_path / "bundles")
    after, counts = run(**{"world": learnable, "folder": tmp_path / "bundles"} | change(learnable))
    assert counts == TRAINED
    assert after.trained_on != before.trained_on
    assert after.version != before.version


def test_a_damaged_bundle_is_trained_again(learnable, tmp_path):
    before, _ = run(learnable, tmp_path / "bundles")
    weights = tmp_path / "bundles" / "topic" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    after, counts = run(learnable, tmp_path / "bundles")
    assert counts == TRAINED
    assert after.version == before.version


def test_training_does_not_even_read_test_clips(learnable, tmp_path):
    keys = learnable.clips.loc[learnable.clips["split"] == "test", "text_sha256"].tolist()
    captions = build_all(learnable.extracted)["captions"].identity
    assert learnable.store.missing(captions, keys) == keys
    run(learnable, tmp_path / "bundles")  # a feature that is not stored would be an error


def test_labels_of_test_clips_change_nothing(learnable, tmp_path):
    run(learnable, tmp_path / "bundles")
    _, counts = run(learnable.relabel("test", label="cooking"), tmp_path / "bundles")
    assert counts == REUSED


def test_training_data_holds_the_labelled_clips_of_the_other_splits(world):
    labels = world.labels.drop(index=[3])
    data = training_data("topic", Capability(classes=("cooking", "sport")), world.clips, labels)
    assert data.clips["clip_id"].tolist() == [f"c{row:02}" for row in range(16) if row != 3]
    assert set(data.clips["split"]) == {"train", "validation"}


def test_validation_clips_choose_the_epoch_but_teach_nothing(learnable, tmp_path, monkeypatch):
    seen = {}

    fit = Fusion.fit

    def spy(self, train, validation, *others):
        seen.update(train=len(train), validation=len(validation), first=train.features["captions"].values[:, 0])
        return fit(self, train, validation, *others)

    monkeypatch.setattr(Fusion, "fit", spy)
    run(learnable, tmp_path / "bundles")
    assert (seen["train"], seen["validation"]) == (12, 4)
    np.testing.assert_array_equal(seen["first"], [-1, 1, 0] + [1, -1] * 4 + [1])


def test_without_a_training_clip_no_model_is_trained_and_the_remedy_is_named(world, tmp_path, caplog):
    world.labels = world.labels.iloc[12:]
    assert run_all(world, tmp_path / "bundles")[0] == {}
    assert "'topic': none of its 12 labelled clips is in the training split. Label more clips" in caplog.text


def test_a_capability_that_waits_for_peoples_labels_is_not_trained(learnable, tmp_path, caplog):
    caplog.set_level("INFO")
    learnable.resolved.waiting["topic"] = "no person has labelled it yet"
    bundles, histories, counts = run_all(learnable, tmp_path / "bundles")
    assert (bundles, histories) == ({}, {})
    assert counts == {"models_reused": 0, "models_trained": 0}
    assert "topic: no model is trained, since no person has labelled it yet" in caplog.text

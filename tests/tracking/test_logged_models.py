import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.tracking import logged_datasets, logged_models, mlflow_run
from cu_pipeline.tracking.capability_runs import CapabilityRuns


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    return folder


@pytest.fixture
def run(tracked_root: Path) -> Iterator[str]:
    yield mlflow_run.start(tracked_root, "4 seed 2", {mlflow_run.PIPELINE: "train"})
    mlflow_run.finish("FINISHED")


def files(model_id: str) -> Path:
    return logged_models.local_folder(MlflowClient().get_logged_model(model_id))


def test_a_bundle_is_found_with_its_run_its_files_and_what_was_measured(run: str, bundle: Path) -> None:
    made = logged_models.create(bundle, "v1.5 food & drink", "aaa", "linear", ["frames", "captions"])
    labels = pd.DataFrame({"clip_id": ["a", "b", "c"], "capability": "topic"})
    clips = pd.DataFrame({"clip_id": ["a", "b", "c"], "split": ["train", "test", "left_out"]})
    datasets = logged_datasets.labelled_splits(labels, clips, "data/labels.parquet", "f" * 32)
    assert list(datasets) == ["train", "test"]
    logged_datasets.log(datasets.values())
    capabilities = CapabilityRuns()
    capabilities.log("v1.5 food & drink", {"train/accuracy": 1.0}, made, datasets["train"])
    capabilities.log("v1.5 food & drink", {"accuracy": 0.75}, made, datasets["test"])
    capabilities.finish("FINISHED")
    found = logged_models.find("v1.5 food & drink", "aaa")
    assert (found.model_id, found.run_id, found.run_name, found.family) == (made, run, "4 seed 2", "linear")
    assert found.metrics == {"train/accuracy": 1.0, "accuracy": 0.75}
    assert Path(mlflow.artifacts.download_artifacts(found.source), "model.safetensors").read_text() == "weights"
    metric = next(one for one in MlflowClient().get_logged_model(made).metrics if one.key == "accuracy")
    assert (metric.dataset_name, metric.dataset_digest) == ("labels test", "f" * 32)
    inputs = mlflow.get_run(run).inputs.dataset_inputs
    assert {one.tags[0].value for one in inputs} == {"train", "test"}


def test_what_no_run_logged_is_not_found(tracked_root: Path) -> None:
    assert logged_models.find("nothing", "aaa") is None
    assert logged_models.all_of("nothing") == []


@pytest.mark.usefixtures("run")
def test_the_same_bundle_of_a_later_run_takes_no_further_space(bundle: Path) -> None:
    first = logged_models.create(bundle, "topic", "bbb", "linear", [])
    (bundle / "bundle.json").write_text('{"scope": "other"}')
    second = logged_models.create(bundle, "topic", "bbb", "linear", [])
    assert (files(second) / "model.safetensors").samefile(files(first) / "model.safetensors")
    assert (files(first) / "bundle.json").read_text() == "{}"
    assert (files(second) / "bundle.json").read_text() == '{"scope": "other"}'
    assert [one.model_id for one in logged_models.all_of("topic")] == [second, first]


@pytest.mark.usefixtures("run")
def test_two_capabilities_whose_names_are_written_alike_have_their_own_models(bundle: Path) -> None:
    dotted, dashed = (logged_models.create(bundle, name, "ccc", "linear", []) for name in ("a.b", "a-b"))
    assert [one.model_id for one in logged_models.all_of("a.b")] == [dotted]
    assert logged_models.find("a-b", "ccc").model_id == dashed


def test_on_a_server_a_bundle_that_is_stored_is_not_sent_again(
    tmp_path, monkeypatch, tracking_database: Path, bundle: Path
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    shutil.copy(tracking_database, tmp_path / "server.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'server.db'}")
    sent = []
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'server.db'}")
    mlflow.create_experiment(mlflow_run.EXPERIMENT, artifact_location="s3://bucket/place")
    monkeypatch.setattr(MlflowClient, "log_model_artifacts", lambda _, model, folder: sent.append((model, folder)))
    mlflow_run.start(tmp_path, "1 first run", {})
    first, second, third = (logged_models.create(bundle, "topic", "ddd", "linear", []) for _ in range(3))
    mlflow.end_run()
    assert sent == [(first, str(bundle))]
    assert {one.source for one in logged_models.all_of("topic")} == {f"models:/{first}"}
    assert {one.files_of for one in logged_models.all_of("topic")} == {first}
    assert len({first, second, third}) == 3
    mlflow.set_tracking_uri(None)

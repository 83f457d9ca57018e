"""The tune pipeline on invented features: its trials in MLflow, and the parameters file that it leaves."""

import json
import logging
import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.table import FeatureOptions
from cu_pipeline.models.families import TrainOptions
from cu_pipeline.models.linear import Linear, LinearOptions
from cu_pipeline.models.tuning_loss import CrossValidation
from cu_pipeline.models.tuning_plan import TuneOptions
from cu_pipeline.pipelines.tune import create_pipeline
from cu_pipeline.tracking import mlflow_run

BASE = Path(__file__).parents[3] / "conf" / "base"
TRAIN = TrainOptions(family="linear", threads=1, linear={"strengths": [100.0, 10.0, 1000.0], "folds": 3})
SPACE = {"strengths": {"low": 0.01, "high": 1000, "log": True, "multiples": [1, 0.1, 10]}, "folds": {"choices": [2, 3]}}
TUNE = {"trials": 3, "folds": 3, "space": SPACE}


@dataclass
class Tuning:
    """Runs the pipeline in a folder, which stands for the project's."""

    world: object
    root: Path
    tracked: Path

    def run(self, training: TrainOptions = TRAIN, **options: object) -> str:
        """Run it; give the MLflow run's id."""
        config = yaml.safe_load((BASE / "catalog_tune.yml").read_text().replace("${environment:}", "local"))
        for entry in config.values():
            entry["filepath"] = str(self.root / entry["filepath"])
        given = {
            "clips": self.world.clips,
            "labels": self.world.labels,
            "capabilities_resolved": self.world.resolved,
            "features": self.world.store,
            "params:tune": TuneOptions.model_validate(TUNE | options),
            "params:train": training,
            "params:featurize.extractors": self.world.extracted,
            "params:compute": ComputeOptions(),
            "params:seed": 7,
        }
        catalog = DataCatalog.from_config(config)
        for name, value in given.items():
            catalog[name] = MemoryDataset(value)
        run = mlflow_run.start(self.tracked, "tune", {mlflow_run.PIPELINE: "tune"})
        try:
            SequentialRunner().run(create_pipeline(), catalog)
        finally:
            mlflow_run.finish("FINISHED")
        return run

    @property
    def results(self) -> dict:
        return json.loads((self.root / "data/08_reporting/tuning.json").read_text())

    @property
    def file(self) -> Path:
        return self.root / "conf/local/parameters_tuned.yml"

    def trials(self, run: str) -> list:
        """The runs inside a run, by trial."""
        import mlflow

        found = mlflow_run.search(mlflow.MlflowClient(), f"tags.`{mlflow_run.PARENT}` = '{run}'")
        return sorted(found, key=lambda one: int(one.data.tags["trial"]))


@pytest.fixture
def tuning(world, tracked_root, tmp_path) -> Tuning:
    """The world with a creator for each two clips and features for all but the test clips."""
    world.clips["group"] = [f"g{row // 2}" for row in range(len(world.clips))]
    world.extracted = FeatureOptions(captions={"max_tokens": 8})
    world.store_features(world.clips[world.clips["split"] != "test"])
    (tmp_path / "conf" / "local").mkdir(parents=True)
    return Tuning(world, tmp_path, tracked_root)


@pytest.fixture
def known_loss(monkeypatch):
    """A loss that is 0 where the first strength is 10; half of it on the first fold."""

    def loss(_: CrossValidation, options: LinearOptions, fold: int) -> float:
        return abs(math.log10(options.strengths[0]) - 1) * (1 if fold else 0.5)

    monkeypatch.setattr(CrossValidation, "loss", loss)


@pytest.mark.usefixtures("known_loss")
def test_trials_are_runs_inside_the_run_that_worked_on_them_last(tuning, monkeypatch):
    import mlflow

    first = tuning.run()
    trials = tuning.trials(first)
    assert [one.data.tags["trial"] for one in trials] == ["0", "1", "2"]
    assert trials[0].data.params == {"strengths": "100.0", "folds": "3"}
    for one, row in zip(trials, tuning.results["trials"], strict=True):
        assert one.info.status == "FINISHED"
        assert one.data.tags["state"] == row["state"]
        assert one.data.metrics.get("loss") == row["loss"]
        history = mlflow.MlflowClient().get_metric_history(one.info.run_id, "loss_by_fold")
        assert [point.value for point in sorted(history, key=lambda point: point.step)] == row["folds"]
    parent = mlflow.get_run(first)
    assert parent.data.tags["tuning.study"] == trials[0].data.tags["study"] == tuning.results["study"]
    assert parent.data.metrics["tuning/gain"] == pytest.approx(tuning.results["gain"])

    second = tuning.run(trials=5)
    assert [one.info.run_id for one in tuning.trials(second)][:3] == [one.info.run_id for one in trials]
    assert len(tuning.trials(second)) == 5
    assert tuning.trials(first) == []

    monkeypatch.setattr(CrossValidation, "loss", None)
    results = tuning.results
    third = tuning.run(trials=5)
    assert len(tuning.trials(third)) == 5
    assert tuning.results == results


@pytest.mark.usefixtures("known_loss")
def test_a_run_that_was_killed_while_it_was_written_is_written_anew(tuning):
    import mlflow

    client, first = mlflow.MlflowClient(), tuning.run()
    cut_off = tuning.trials(first)[1].info.run_id
    client.update_run(cut_off, status="RUNNING")
    trials = tuning.trials(tuning.run())
    assert [one.data.tags["trial"] for one in trials] == ["0", "1", "2"]
    assert cut_off not in {one.info.run_id for one in trials}


WEAK = TrainOptions(family="linear", threads=1, linear={"strengths": [1e-6], "folds": 3, "max_iterations": 200})


@pytest.mark.usefixtures("known_loss")
def test_better_parameters_are_written_beside_what_the_file_has(tuning, caplog):
    tuning.file.write_text("train:\n  fusion: {epochs: 12}\n  linear: {max_iterations: 200}\n")
    caplog.set_level(logging.INFO)
    tuning.run(WEAK, trials=4)
    assert tuning.results["better"]
    assert tuning.results["loss"] < tuning.results["loss_in_use"] - tuning.results["standard_error"]
    found = yaml.safe_load(tuning.file.read_text())["train"]
    assert found == {"fusion": {"epochs": 12}, "linear": {"max_iterations": 200} | tuning.results["parameters"]}
    assert "parameters_tuned.yml has train.linear.strengths=" in caplog.text
    assert tuning.results["result"] in tuning.file.read_text()

    before = tuning.file.read_bytes()
    tuning.run(TrainOptions(family="linear", threads=1, linear=found["linear"]), trials=4)
    assert not tuning.results["better"]
    assert tuning.results["result"] == "of 4 trials none is better than the parameters in use"
    assert tuning.file.read_bytes() == before


def test_nothing_is_written_where_nothing_is_better(tuning, caplog):
    caplog.set_level(logging.INFO)
    tuning.run(trials=1, folds=2)
    assert 0 < tuning.results["loss"] == tuning.results["loss_in_use"]
    assert not tuning.file.exists()
    assert "no parameters are written: train.linear stays as it is" in caplog.text


@pytest.mark.usefixtures("known_loss")
def test_a_family_that_is_not_in_use_is_tuned_with_a_warning(tuning, caplog):
    tuning.run(TrainOptions(threads=1, linear=WEAK.groups["linear"], family="fusion"), family="linear", trials=4)
    assert "train.family=fusion does not learn with family linear" in caplog.text
    assert tuning.file.is_file()


def test_what_another_file_states_is_told_before_anything_is_computed(tuning, monkeypatch):
    monkeypatch.setattr(Linear, "fit", None)
    (tuning.file.parent / "parameters.yml").write_text("train: {linear: {folds: 4}}\n")
    told = r"conf/local/parameters.yml states train\.linear\.folds, .* move that line into parameters_tuned\.yml"
    with pytest.raises(ConfigurationError, match=told):
        tuning.run()


def test_faults_in_the_space_are_told_before_anything_is_computed(tuning, monkeypatch):
    monkeypatch.setattr(Linear, "fit", None)
    with pytest.raises(
        ConfigurationError, match=r"tune\.space\.strength: train\.linear has no such parameter: did you mean"
    ):
        tuning.run(space={"strength": {"low": 1, "high": 2}})


def test_capabilities_that_cannot_be_tuned_for_are_left_out_or_refused(tuning, caplog):
    tuning.world.labels.loc[:, "label"] = "sport"
    with pytest.raises(ConfigurationError, match="all have the same answer, so there is nothing to tune"):
        tuning.run()
    with pytest.raises(
        ConfigurationError, match=r"tune\.capability=mood: there is no such capability\. Allowed: topic"
    ):
        tuning.run(capability="mood")


def test_too_few_units_are_refused(tuning):
    with pytest.raises(ConfigurationError, match=r"are of 8 units .* too few for 9 folds"):
        tuning.run(folds=9)


@pytest.mark.usefixtures("known_loss")
def test_one_that_cannot_be_tuned_for_leaves_the_others(tuning, caplog):
    import pandas as pd

    same = tuning.world.labels.assign(capability="mood", label="sport")
    tuning.world.labels = pd.concat([tuning.world.labels, same], ignore_index=True)
    both = {name: Capability(classes=("cooking", "sport")) for name in ("mood", "topic")}
    tuning.world.resolved = ResolvedCapabilities(both)
    tuning.run(trials=1)
    assert tuning.results["capabilities"] == "topic"
    assert "'mood': its 16 labelled clips outside the test split all have the same answer" in caplog.text


def test_no_time_at_all_is_told(tuning):
    with pytest.raises(
        ConfigurationError, match=r"tune\.minutes=1e-09 were over before a trial was finished: run again"
    ):
        tuning.run(minutes=1e-9)

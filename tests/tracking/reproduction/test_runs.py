"""Which runs of a real tracking database can be repeated, and what is said of others."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from cu_pipeline.core.errors import ReproductionError
from cu_pipeline.tracking import mlflow_run
from cu_pipeline.tracking.reproduction import runs
from cu_pipeline.tracking.reproduction.environment import Environment
from cu_pipeline.tracking.reproduction.record import DataUsed, RunRecord, StageData

TAGS = {mlflow_run.PIPELINE: "lifecycle", "git.commit": "c0ffee", "env": "base"}


def record(*stages: str) -> RunRecord:
    data = DataUsed(stages=dict.fromkeys(stages, StageData(reads={"a.csv": "1"})))
    return RunRecord(parameters={"seed": 3}, data=data, environment=Environment(facts={"python": "3"}), patch=b"+")


@pytest.fixture(scope="module")
def ids(tracked_root: Path) -> Iterator[dict[str, str]]:
    """Make a run of each sort, and give their ids."""
    found = {}
    for name, status in {"whole": "FINISHED", "early": "FINISHED", "failed": "FAILED"}.items():
        found[name] = mlflow_run.start(tracked_root, name, TAGS)
        if name != "early":
            record("collect", "train", "evaluate").log()
        if name == "whole":
            with mlflow.start_run(run_name="topic", nested=True) as nested:
                found["nested"] = nested.info.run_id
        mlflow_run.finish(status, "ValueError: no clips" if status == "FAILED" else "")
    yield found
    mlflow.end_run()


def test_a_run_is_found_by_the_beginning_of_its_id_with_all_that_it_left(
    tracked_root: Path, ids: dict[str, str]
) -> None:
    found = runs.find(tracked_root, ids["whole"][:12])
    assert (found.run_id, found.commit, found.env) == (ids["whole"], "c0ffee", "local")
    assert found.record == record("collect", "train", "evaluate")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("failed", "did not end well: FAILED (ValueError: no clips)"),
        ("early", "of an earlier version of this package"),
        ("nested", "is a part of another: `kedro reproduce "),
    ],
)
def test_a_run_that_cannot_be_repeated_is_refused_with_the_reason(
    tracked_root: Path, ids: dict[str, str], name: str, said: str
) -> None:
    with pytest.raises(ReproductionError) as caught:
        runs.find(tracked_root, ids[name])
    assert said in str(caught.value)


@pytest.mark.usefixtures("ids")
def test_an_unknown_id_is_refused_with_the_last_runs(tracked_root: Path, ids: dict[str, str]) -> None:
    with pytest.raises(ReproductionError) as caught:
        runs.find(tracked_root, "zzzz")
    assert "there is no run 'zzzz'" in str(caught.value)
    assert ids["whole"] in str(caught.value)


def test_a_project_without_runs_says_so_and_stays_without_a_database(tmp_path: Path) -> None:
    with pytest.raises(ReproductionError, match="has no runs yet"):
        runs.find(tmp_path, "latest")
    assert not list(tmp_path.iterdir())


def test_a_database_without_a_run_that_ended_well_is_told_as_such(
    tmp_path: Path, tracking_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlruns").mkdir()
    shutil.copy(tracking_database, tmp_path / "mlruns")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlruns/{tracking_database.name}")
    with pytest.raises(ReproductionError, match="MLflow has no run yet: `make run` makes the first"):
        runs.find(tmp_path, "latest")
    mlflow_run.start(tmp_path, "stopped", TAGS)
    mlflow_run.finish("FAILED")
    with pytest.raises(ReproductionError, match="no run has ended well"):
        runs.find(tmp_path, "latest")
    mlflow.set_tracking_uri(None)


def test_models_are_made_and_measured_again_unless_more_is_asked_for(tracked_root: Path, ids: dict[str, str]) -> None:
    found = runs.find(tracked_root, ids["whole"])
    assert runs.stages(found, [], everything=False) == ["train", "evaluate"]
    assert runs.stages(found, [], everything=True) == ["collect", "train", "evaluate"]
    assert runs.stages(found, ["collect"], everything=False) == ["collect"]
    with pytest.raises(ReproductionError, match="did not run all of deliver"):
        runs.stages(found, ["deliver"], everything=False)

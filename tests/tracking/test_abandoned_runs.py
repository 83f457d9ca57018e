"""Runs of killed processes are closed by their own project alone, and by nobody else."""

from pathlib import Path

import pytest

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.tracking.abandoned_runs import OWNER_HOST, close_abandoned, owner_tags
from cu_pipeline.tracking.mlflow_run import DATABASE, EXPERIMENT, PARENT, PIPELINE, configure


@pytest.fixture
def root(tracked_root, tmp_path, monkeypatch):
    """A project whose runs lie in a database that others write to as well: that of another project."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    database = tracked_root / "mlruns" / DATABASE
    database.parent.mkdir(exist_ok=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:////{database}")
    return tmp_path


def begin(root: Path, **tags: str) -> str:
    """A run as a killed process leaves it: begun, and never ended."""
    configure(root)
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    tags = {name.replace("_", "."): value for name, value in tags.items()}
    return client.create_run(experiment, tags=tags).info.run_id


def status(run: str) -> str:
    import mlflow

    return mlflow.get_run(run).info.status


def test_a_killed_run_is_closed_with_what_is_nested_in_it_and_a_line(root, caplog):
    run = begin(root, pipeline="lifecycle", **owner_tags(root))
    nested = begin(root, **{PARENT: run})
    assert close_abandoned(root) == 1
    assert status(run) == status(nested) == "KILLED"
    assert run in caplog.text
    assert close_abandoned(root) == 0


def test_a_closed_run_lasts_as_long_as_it_was_heard_of(root):
    import mlflow

    run = begin(root, pipeline="lifecycle", **owner_tags(root))
    start = mlflow.get_run(run).info.start_time
    mlflow.MlflowClient().log_metric(run, "seconds", 1.0, timestamp=start + 5000)
    close_abandoned(root)
    assert mlflow.get_run(run).info.end_time == start + 5000


def test_on_a_server_the_runs_of_other_machines_and_projects_go_on(root):
    other_host = begin(root, pipeline="lifecycle", **owner_tags(root) | {OWNER_HOST: "another"})
    other_project = begin(root, pipeline="lifecycle", **owner_tags(root / "elsewhere"))
    unknown = begin(root, pipeline="lifecycle")
    nested = begin(root, **{PARENT: other_host})
    assert close_abandoned(root) == 0
    assert {status(run) for run in (other_host, other_project, unknown, nested)} == {"RUNNING"}


def test_in_its_own_database_a_run_of_earlier_code_is_closed_and_a_notebooks_is_not(tracked_root):
    earlier, notebook = begin(tracked_root, **{PIPELINE: "train"}), begin(tracked_root)
    close_abandoned(tracked_root)
    assert (status(earlier), status(notebook)) == ("KILLED", "RUNNING")

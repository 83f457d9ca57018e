import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from cu_pipeline.cli.ui import ui
from cu_pipeline.tracking import mlflow_run


def typed(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(ui, arguments, obj=SimpleNamespace(project_path=str(root)))


def test_a_port_that_is_taken_is_told_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = typed(tmp_path, "--port", str(port))
    assert done.exit_code == 1
    assert f"port {port} is in use: end what listens there, or give another: --port" in done.output
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")  # of MLflow about its own functions
def test_the_address_of_the_table_is_printed_and_few_processes_are_started(
    tracked_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.cli import cli

    started = []
    monkeypatch.setattr(cli, "main", lambda arguments, **_: started.append(arguments))
    for variable in ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "PYTHONWARNINGS"):
        monkeypatch.setenv(variable, "")  # so that it is as before after the test
        monkeypatch.delenv(variable)
    mlflow_run.start(tracked_root, "1 first run", {mlflow_run.PIPELINE: "lifecycle"})
    mlflow_run.log_metrics({"topic/test/accuracy": 0.5})
    mlflow_run.finish("FINISHED")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = typed(tracked_root, "--port", port)
    assert done.exit_code == 0, done.output
    assert f"Runs: http://127.0.0.1:{port}/#/experiments/1/runs?" in done.output
    assert "viewStateShareKey=runs" in done.output
    ((command, *arguments),) = started
    assert command == "ui"
    assert dict(zip(arguments[::2], arguments[1::2], strict=True))["--workers"] == "1"
    assert os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"

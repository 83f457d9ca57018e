"""`kedro ui`: opens MLflow's table of this project's runs."""

import os
import socket
from pathlib import Path
from typing import Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

_HOST: Final = "127.0.0.1"
_JOBS: Final = "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"
"""MLflow's switch of eight more processes, which score answers of language models; nothing here asks for them."""


@click.command("ui")
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.pass_obj
def ui(metadata: Any, /, *, port: int) -> None:
    """Compare the runs in MLflow: start its UI for this project's runs, and print the address of their table.

    Where MLFLOW_TRACKING_URI names a server, the address there is printed, and nothing is started.
    """
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.tracking import mlflow_run, run_table

        uri = mlflow_run.tracking_uri(root)
        served = uri.startswith(("http://", "https://"))
        if not served and _is_taken(port):
            raise click.ClickException(f"port {port} is in use: end what listens there, or give another: --port")
        mlflow_run.configure(root)
        run_table.publish()
        server = uri.rstrip("/") if served else f"http://{_HOST}:{port}"
        click.echo(f"Runs: {run_table.address(server)}")
        if not served:
            click.echo("MLflow answers there in a few seconds. Ctrl+C ends it.")
            _serve(uri, port)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0


def _serve(uri: str, port: int) -> None:
    """Run MLflow's server until it is interrupted."""
    from mlflow.cli import cli

    os.environ.setdefault(_JOBS, "false")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # those of its libraries about each other
    place = ["--host", _HOST, "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", uri, "--registry-store-uri", uri]
    cli.main(["ui", *place, *stores, "--uvicorn-opts", "--log-level warning"], standalone_mode=False)

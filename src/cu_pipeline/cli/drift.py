"""`kedro drift`: what the monitor decided last, what it decided before, and Evidently's UI with the history."""

import socket
from pathlib import Path
from typing import Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

_DRIFT: Final = Path("data/08_reporting/drift.json")
_HISTORY: Final = Path("data/08_reporting/drift_history.json")
_WORKSPACE: Final = Path("data/08_reporting/evidently")
_PAGE: Final = Path("data/08_reporting/drift.html")
_HOST: Final = "127.0.0.1"
FOUND: Final = 3
"""Exit code of `kedro drift status --exit-code` where the last decision is drift: 1 and 2 are those of errors."""


@click.group("drift")
def drift() -> None:
    """Look at what the monitor found: whether the service's clips are still like those that models learned from."""


@drift.command("status")
@click.option("--json", "as_json", is_flag=True, help="The whole decision as JSON, as data/08_reporting/drift.json.")
@click.option("--exit-code", is_flag=True, help=f"End with {FOUND} where the decision is drift, for cron and scripts.")
@click.pass_obj
def status(metadata: Any, /, *, as_json: bool, exit_code: bool) -> None:
    """Tell the last decision, and why it was made."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.cli.drift_words import decision_words
        from cu_pipeline.reports.drift_told import read_drift_file

        told = read_drift_file(root / _DRIFT)
        if as_json:
            click.echo((root / _DRIFT).read_text(encoding="utf-8").rstrip())
        else:
            click.echo("\n".join([*decision_words(told), f"More: {_PAGE}"]))
    if exit_code and told.decision == "drift":
        raise SystemExit(FOUND)


@drift.command("history")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Looks to show.")
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list, oldest first.")
@click.pass_obj
def history(metadata: Any, /, *, last: int, as_json: bool) -> None:
    """List the looks at the traffic, oldest first: when, at what, what was decided and why."""
    import json

    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.cli.drift_words import history_words
        from cu_pipeline.reports.drift_history import read_history_file

        looks = read_history_file(root / _HISTORY)[-last:]
    if as_json:
        click.echo(json.dumps([look.model_dump(mode="json") for look in looks], indent=2, ensure_ascii=False))
        return
    click.echo("\n".join(history_words(looks)))


@drift.command("ui")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.pass_obj
def ui(metadata: Any, /, *, port: int) -> None:
    """Open the history in Evidently: start its UI on this machine, and print the address of the dashboard."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.core.errors import StoreError
        from cu_pipeline.core.telemetry import switch_off
        from cu_pipeline.reports.evidently_workspace import PROJECT

        if not (root / _WORKSPACE / str(PROJECT)).is_dir():
            raise StoreError(f"there is no history in {_WORKSPACE} yet. Remedy: make run PIPELINES=monitor")
        if _is_taken(port):
            raise click.ClickException(f"port {port} is in use: end what listens there, or give another: --port")
        switch_off()
        click.echo(f"Drift: http://{_HOST}:{port}/projects/{PROJECT}")
        click.echo("Evidently answers there in some seconds. Ctrl+C ends it.")
        _serve(root / _WORKSPACE, port)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0


def _serve(workspace: Path, port: int) -> None:
    """Run Evidently's server until it is interrupted."""
    import warnings

    warnings.simplefilter("ignore")  # those of its libraries about each other
    import uvicorn
    from evidently.ui.service.app import create_app, get_config

    app = create_app(get_config(host=_HOST, port=port, workspace=str(workspace)))
    uvicorn.run(app, host=_HOST, port=port, log_level="warning")

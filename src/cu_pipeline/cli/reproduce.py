"""`kedro reproduce`: a run again, from its code, data and parameters, and whether the same came out."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

DIFFERENT: Final = 1
IMPOSSIBLE: Final = 2
"""Exit statuses beside 0, identical."""


@click.command("reproduce")
@click.argument("run_id")
@click.option("--pipelines", default="", help="Which to repeat, with commas; default: train,evaluate.")
@click.option("--all", "everything", is_flag=True, help="Repeat all that the run ran, from the feed on.")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Folder to work in, and to keep.")
@click.pass_obj
def reproduce(metadata: Any, /, *, run_id: str, pipelines: str, everything: bool, into: Path | None) -> None:
    """Repeat the run RUN_ID in a folder of its own, and say whether its models and measurements come out again.

    RUN_ID is MLflow's, the beginning of one, or latest. Code comes out of git, data out of DVC's cache or remote,
    parameters out of MLflow. The project itself is not changed. Answers of language models are read, never asked again.

    Exit status: 0 identical, 1 different (it says what differs from where the run was made), 2 cannot be repeated.
    """
    root = Path(metadata.project_path).resolve()
    if pipelines and everything:
        raise click.UsageError("give --pipelines or --all")
    asked = [name.strip() for name in pipelines.split(",") if name.strip()]
    with _impossible_told(), told_in_words(root), _folder(into) as folder:
        same = _repeat(root, run_id, asked, everything, folder)
        if not same and into is None:
            click.echo("Look further: `kedro reproduce --into FOLDER` keeps what was made")
    if not same:
        raise click.exceptions.Exit(DIFFERENT)


def _repeat(root: Path, run_id: str, asked: list[str], everything: bool, folder: Path) -> bool:
    from cu_pipeline.tracking.reproduction import comparison, process, runs
    from cu_pipeline.tracking.reproduction.folder import prepare

    recorded = runs.find(root, run_id)
    chosen = runs.stages(recorded, asked, everything=everything)
    when = f"{recorded.started:%Y-%m-%d %H:%M}"
    click.echo(f"run {recorded.run_id} ({recorded.name}, {when} UTC, commit {recorded.commit[:7]})")
    if recorded.record.patch:
        click.echo("with changes of the code that no commit has: artifact reproduction/code.patch")
    click.echo(f"again: {', '.join(chosen)}, in {folder}")
    project = prepare(root, recorded, chosen, folder)
    repeated = process.run(recorded, chosen, project, click.echo)
    found = comparison.compare(root, project, recorded.record, repeated)
    click.echo(f"\n{found}")
    return found.identical


@contextmanager
def _folder(into: Path | None) -> Iterator[Path]:
    """Give the folder to work in: the one that was asked for, or one that goes when the work is done."""
    if into is not None:
        yield into.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="reproduce-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Impossible(click.ClickException):
    exit_code = IMPOSSIBLE


@contextmanager
def _impossible_told() -> Iterator[None]:
    """End with another status where no comparison could be made than where it found a difference."""
    try:
        yield
    except click.ClickException as error:
        raise _Impossible(error.message) from error
    except KeyboardInterrupt as error:
        raise _Impossible("interrupted: call it again; a folder of --into is made anew") from error

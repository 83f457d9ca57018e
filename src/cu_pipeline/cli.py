"""Commands of this project, added to Kedro's or put in their place."""

import json
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError, NoSpaceError

_ERROR_LOG = "data/last_error.log"


@click.group(name="cu-pipeline")
def cli() -> None:
    """Commands of this project."""


@cli.command("run", params=kedro_run.params, help=kedro_run.help)
@click.pass_context
def run(context: click.Context, /, **options: Any) -> None:
    """Run pipelines as Kedro does, and report foreseen errors in words."""
    root = Path(context.obj.project_path) if context.obj else Path.cwd()
    try:
        _check_names(options)
        context.invoke(kedro_run.callback, **options)
    except BaseException as error:
        _abandon(error)
        foreseen = _foreseen(error)
        if foreseen is None:
            raise
        click.echo(_in_words(error, foreseen, _keep_traceback(root, error)), err=True)
        context.exit(1)


@cli.command("dvc-yaml")
@click.option("--check", is_flag=True, help="Change nothing; fail when the file is stale.")
@click.pass_obj
def dvc_yaml(metadata: Any, *, check: bool) -> None:
    """Write dvc.yaml from the pipelines and the catalog."""
    from cu_pipeline.tracking import dvc_yaml as generator

    with _told_in_words():
        project = generator.read_project(metadata)
        if not check:
            click.echo(f"wrote {generator.write(project)}")
            return
        stale = generator.differences(project)
    if stale:
        advice = f"{generator.FILE_NAME} is stale: run `kedro dvc-yaml` and commit the file"
        raise click.ClickException("\n  ".join([advice, *stale]))


@cli.group("snapshots", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list, oldest first.")
@click.pass_context
def snapshots(context: click.Context, /, *, as_json: bool) -> None:
    """List the versions of the data, newest first.

    A version is recorded after each run that changed a table. An id follows from the tables' content, so the same
    data has the same id again.
    """
    if context.invoked_subcommand is None:
        from cu_pipeline.tracking.snapshot_commands import list_snapshots, project_tables

        root = Path(context.obj.project_path)
        with _told_in_words():
            click.echo(list_snapshots(root, project_tables(root), as_json=as_json))


@snapshots.command("diff")
@click.argument("old", default="latest~1")
@click.argument("new", default="latest")
@click.option("--ids", default=10, show_default=True, type=click.IntRange(0), help="How many of each kind to name.")
@click.option("--json", "as_json", is_flag=True, help="For programs: all changes as JSON.")
@click.pass_obj
def snapshots_diff(metadata: Any, /, *, old: str, new: str, ids: int, as_json: bool) -> None:
    """Show what changed from the version OLD to NEW: clips added, removed and moved to another split, labels changed.

    OLD and NEW are ids or their beginnings (four digits or more), latest, latest~1 and so on, or git revisions with
    a committed dvc.lock. Without them: the last two versions.
    """
    from cu_pipeline.tracking.snapshot_commands import diff_snapshots, project_tables

    root = Path(metadata.project_path)
    with _told_in_words():
        click.echo(diff_snapshots(root, project_tables(root), old, new, shown=ids, as_json=as_json))


_SHARE = click.FloatRange(0, 1)


@cli.command("traffic")
@click.option("--clips", default=40, show_default=True, type=click.IntRange(1), help="How many clips to send.")
@click.option("--url", default="http://127.0.0.1:3000", show_default=True, help="Address of the service.")
@click.option("--new-topic", default=0.0, type=_SHARE, help="Share of clips about a topic the models do not know.")
@click.option("--new-style", default=0.0, type=_SHARE, help="Share of clips in a new visual style.")
@click.option("--new-slang", default=0.0, type=_SHARE, help="Share of clips with new words.")
@click.option("--mix", default=0.0, type=_SHARE, help="Share of clips in other proportions of topics.")
@click.pass_obj
def traffic(metadata: Any, /, *, clips: int, url: str, **drift: float) -> None:
    """Send generated clips to a running service, to see what the monitor makes of them."""
    from cu_pipeline.pipelines.deliver.traffic import send_sample
    from cu_pipeline.sample.options import Drift, SampleOptions

    options = SampleOptions(broken=0, near_duplicates=0).following(clips, Drift(**drift))
    with _told_in_words():
        answered, refused = send_sample(Path(metadata.project_path) / "data/01_raw/traffic", options, url)
    click.echo(f"{answered} clips answered, {refused} refused. Look for drift: make run PIPELINES=monitor,report")


@contextmanager
def _told_in_words() -> Iterator[None]:
    """End the command with a foreseen error's words instead of its traceback."""
    try:
        yield
    except CuPipelineError as error:
        raise click.ClickException(str(error)) from error


@cli.command("llm-server")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(0), help="0: one per core.")
def llm_server(*, port: int, threads: int) -> None:
    """Serve the packaged language model on this machine as OpenAI's API, until interrupted."""
    import signal

    from cu_pipeline.prompting.engine import start_engine
    from cu_pipeline.prompting.options import PackagedOptions

    options = PackagedOptions(threads=threads)
    try:
        server = start_engine(options, port=port)
    except CuPipelineError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{options.model} listens on {server.listening_address}/v1")
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


@cli.group("labels")
def labels() -> None:
    """Send clips to people for labelling, and take their answers."""


_ENV = click.option("--env", "-e", default=None, help="Kedro environment.")
_REASON = click.option("--reason", required=True, help="Why; it is kept.")


@labels.command("push")
@_ENV
@click.pass_obj
def push(metadata: Any, /, *, env: str | None) -> None:
    """Send the queue to a Label Studio server."""
    from cu_pipeline.labeling.studio.words import push_words
    from cu_pipeline.pipelines.label.desk import connect

    with _desk(metadata, env) as (desk, credentials):
        server = connect(desk, credentials)
        click.echo(push_words(desk.push(server), server.place, desk.reviews()))
        _tell_not_played(desk)


@labels.command("pull")
@_ENV
@click.pass_obj
def pull(metadata: Any, /, *, env: str | None) -> None:
    """Take people's answers from a Label Studio server."""
    from cu_pipeline.pipelines.label.desk import connect

    with _desk(metadata, env) as (desk, credentials):
        _tell_harvest(desk.take(connect(desk, credentials).tasks()))


@labels.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_ENV
@click.pass_obj
def export_tasks(metadata: Any, /, *, file: Path, env: str | None) -> None:
    """Write the queue to FILE for import in Label Studio, and the labelling interface beside it."""
    with _desk(metadata, env) as (desk, _):
        tasks, interface = desk.export()
        write_text(file, json.dumps(tasks, indent=2, ensure_ascii=False) + "\n")
        write_text(file.with_suffix(".xml"), interface + "\n")
        click.echo(f"{len(tasks)} clips written to {file}, the labelling interface to {file.with_suffix('.xml')}")
        _tell_not_played(desk)


@labels.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_ENV
@click.pass_obj
def import_answers(metadata: Any, /, *, file: Path, env: str | None) -> None:
    """Take people's answers from FILE, an export in the form JSON of Label Studio."""
    from cu_pipeline.pipelines.label.desk import read_tasks

    with _desk(metadata, env) as (desk, _):
        _tell_harvest(desk.take(read_tasks(file)))


@labels.command("status")
@_ENV
@click.pass_obj
def status(metadata: Any, /, *, env: str | None) -> None:
    """Show the batches: state, answers, accuracy on gold clips, agreement, money."""
    from cu_pipeline.labeling.studio.words import status_table

    with _desk(metadata, env, writes=False) as (desk, _):
        click.echo(status_table(desk.reviews()))


@labels.command("accept")
@click.argument("batch")
@_REASON
@_ENV
@click.pass_obj
def accept(metadata: Any, /, *, batch: str, reason: str, env: str | None) -> None:
    """Use the answers of BATCH, whatever its gold clips say; clips without an answer may be asked about again."""
    with _desk(metadata, env) as (desk, _):
        desk.decide(batch, accepted=True, reason=reason)


@labels.command("send-back")
@click.argument("batch")
@_REASON
@_ENV
@click.pass_obj
def send_back(metadata: Any, /, *, batch: str, reason: str, env: str | None) -> None:
    """Do not use the answers of BATCH; they are kept, and its clips may be asked about again."""
    with _desk(metadata, env) as (desk, _):
        desk.decide(batch, accepted=False, reason=reason)


@contextmanager
def _desk(metadata: Any, env: str | None, *, writes: bool = True) -> Iterator[tuple[Any, dict[str, str]]]:
    from cu_pipeline.pipelines.label.desk import open_desk

    try:
        with open_desk(Path(metadata.project_path), env, writes=writes) as opened:
            yield opened
    except CuPipelineError as error:
        raise click.ClickException(str(error)) from error


def _tell_not_played(desk: Any) -> None:
    from cu_pipeline.labeling.studio.words import not_played_words

    if clips := desk.not_played():
        click.echo(not_played_words(clips), err=True)


def _tell_harvest(found: Any) -> None:
    from cu_pipeline.labeling.studio.words import harvest_words

    click.echo(harvest_words(found))
    if found.problems:
        advice = f"{len(found.problems)} answers are refused; the others are kept"
        raise click.ClickException("\n  ".join([advice, *found.problems]))


def _check_names(options: dict[str, Any]) -> None:
    """Refuse unknown pipelines before Kedro tries to import them."""
    from importlib.util import find_spec

    from kedro.framework.project import PACKAGE_NAME

    spec = find_spec(f"{PACKAGE_NAME}.pipelines")
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    known = {path.parent.name for folder in folders for path in folder.glob("*/__init__.py")} | {"__default__"}
    given = options["pipelines"] or [name for name in (options["pipeline"],) if name]
    if folders and (unknown := [name for name in given if name not in known]):
        raise ConfigurationError(
            f"pipeline {name!r} is unknown. Allowed: {', '.join(sorted(known))}" for name in unknown
        )


def _abandon(error: BaseException) -> None:
    """End what an interrupted run left open; errors were dealt with by Kedro's hooks."""
    from kedro.framework.project import settings

    status = "FAILED" if isinstance(error, Exception) else "KILLED"
    for hooks in settings.HOOKS:
        if hasattr(hooks, "abandon"):
            hooks.abandon(status, f"{type(error).__name__}: {error}")


def _foreseen(error: BaseException | None) -> CuPipelineError | None:
    while error is not None:
        if isinstance(error, CuPipelineError):
            return error
        error = error.__cause__ or error.__context__
    return None


def _keep_traceback(root: Path, error: BaseException) -> str:
    try:
        write_text(root / _ERROR_LOG, "".join(traceback.format_exception(error)))
    except (OSError, NoSpaceError):
        return "not kept: the disk cannot be written"
    return _ERROR_LOG


def _in_words(error: BaseException, foreseen: CuPipelineError, log: str) -> str:
    notes = [f"  {note}" for note in getattr(error, "__notes__", [])]
    text = [f"  {line}" for line in str(foreseen).splitlines()]
    where = [f"  full traceback: {log}"]
    return "\n".join([f"\nThe run stopped: {type(foreseen).__name__}", *text, *notes, *where])

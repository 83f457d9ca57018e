"""`kedro labels`: clips go out to people, and their answers come in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cu_pipeline.cli.foreseen import told_in_words
from cu_pipeline.core.atomic import write_text


@click.group("labels")
def labels() -> None:
    """Send clips to people for labelling, and take their answers."""


_ENV = click.option("--env", "-e", default=None, help="Kedro environment.")
_REASON = click.option("--reason", required=True, help="Why; it is kept.")


@labels.command("push")
@_ENV
@click.pass_obj
def push(metadata: Any, /, *, env: str | None) -> None:
    """Send the queue to a Label Studio server."""
    from cu_pipeline.labeling.people.sync_words import push_message
    from cu_pipeline.tracking.label_project import connect

    with _sync(metadata, env) as (sync, credentials):
        server = connect(sync, credentials)
        click.echo(push_message(sync.push(server), server.place, sync.reviews()))
        _tell_not_shown(sync)


@labels.command("pull")
@_ENV
@click.pass_obj
def pull(metadata: Any, /, *, env: str | None) -> None:
    """Take people's answers from a Label Studio server."""
    from cu_pipeline.tracking.label_project import connect

    with _sync(metadata, env) as (sync, credentials):
        _tell_harvest(sync.take(sync.fetch(connect(sync, credentials))))


@labels.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_ENV
@click.pass_obj
def export_tasks(metadata: Any, /, *, file: Path, env: str | None) -> None:
    """Write the queue to FILE for import in Label Studio, and the labelling interface beside it.

    Where clips are asked different questions, each set of questions has a file and a project of its own.
    """
    from cu_pipeline.labeling.people.question_sets import file_of

    with _sync(metadata, env) as (sync, _):
        sheets = sync.export()
        for one in sheets:
            target = file if len(sheets) == 1 else file_of(file, one.names)
            write_text(target, json.dumps(one.tasks, indent=2, ensure_ascii=False) + "\n")
            write_text(target.with_suffix(".xml"), one.interface + "\n")
            asked = "" if len(sheets) == 1 else f" ask about {', '.join(one.names)}, and are"
            shown = f"{len(one.tasks)} clips{asked} written to {target}"
            click.echo(f"{shown}, the labelling interface to {target.with_suffix('.xml')}")
        if len(sheets) > 1:
            click.echo(f"Import each of these {len(sheets)} files into a Label Studio project of its own")
        _tell_not_shown(sync)


@labels.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_ENV
@click.pass_obj
def import_answers(metadata: Any, /, *, file: Path, env: str | None) -> None:
    """Take people's answers from FILE, an export in the form JSON of Label Studio."""
    from cu_pipeline.tracking.label_project import read_tasks

    with _sync(metadata, env) as (sync, _):
        _tell_harvest(sync.take(read_tasks(file)))


@labels.command("media-root")
@_ENV
@click.pass_obj
def media_root(metadata: Any, /, *, env: str | None) -> None:
    """Print the folder below which all media lie, which `make label-studio` lets Label Studio show."""
    with _sync(metadata, env, writes=False) as (sync, _):
        click.echo(sync.media.root)


@labels.command("status")
@_ENV
@click.pass_obj
def status(metadata: Any, /, *, env: str | None) -> None:
    """Show the batches: state, answers, accuracy on gold clips, agreement, money."""
    from cu_pipeline.labeling.people.sync_words import status_table

    with _sync(metadata, env, writes=False) as (sync, _):
        click.echo(status_table(sync.reviews()))


@labels.command("accept")
@click.argument("batch")
@_REASON
@_ENV
@click.pass_obj
def accept(metadata: Any, /, *, batch: str, reason: str, env: str | None) -> None:
    """Use the answers of BATCH, whatever its gold clips say; clips without an answer may be asked about again."""
    with _sync(metadata, env) as (sync, _):
        sync.decide(batch, accepted=True, reason=reason)


@labels.command("send-back")
@click.argument("batch")
@_REASON
@_ENV
@click.pass_obj
def send_back(metadata: Any, /, *, batch: str, reason: str, env: str | None) -> None:
    """Do not use the answers of BATCH; they are kept, and its clips may be asked about again."""
    with _sync(metadata, env) as (sync, _):
        sync.decide(batch, accepted=False, reason=reason)


@contextmanager
def _sync(metadata: Any, env: str | None, *, writes: bool = True) -> Iterator[tuple[Any, dict[str, str]]]:
    from cu_pipeline.tracking.label_project import open_sync

    root = Path(metadata.project_path)
    with told_in_words(root), open_sync(root, env, writes=writes) as opened:
        yield opened


def _tell_not_shown(sync: Any) -> None:
    from cu_pipeline.labeling.people.sync_words import not_played_message

    if left_out := sync.unservable():
        click.echo(sync.media.unservable_message(left_out), err=True)
    if clips := sync.not_played():
        click.echo(not_played_message(clips), err=True)


def _tell_harvest(found: Any) -> None:
    from cu_pipeline.labeling.people.sync_words import harvest_message

    click.echo(harvest_message(found))
    if found.problems:
        advice = f"{len(found.problems)} answers are refused; the others are kept"
        raise click.ClickException("\n  ".join([advice, *found.problems]))

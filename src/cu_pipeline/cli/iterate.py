"""`kedro iterate`: from drift to a new champion, one turn or again and again."""

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    from cu_pipeline.iterate.project import Project
    from cu_pipeline.iterate.state import Iteration
    from cu_pipeline.iterate.verdicts import Word

_REASON = click.option("--reason", default="", help="Why; it is kept.")
_TERMINATED: Final = 128 + signal.SIGTERM


@click.group("iterate", invoke_without_command=True)
@click.option("--every", default=None, metavar="1h", help="Again and again at fixed times, until SIGTERM or Ctrl-C.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, by the last run of monitor.")
@click.option("--cause", default="", help="Label and train whatever the monitor says; why is kept.")
@click.option("--env", "-e", default=None, help="Kedro environment.")
@click.pass_context
def iterate(context: click.Context, /, *, every: str | None, dry_run: bool, cause: str, env: str | None) -> None:
    """Do one iteration, or go on with the one that is not over.

    Looks for drift, decides, has clips labelled that the service saw, trains, and promotes what is shown better.

    Exit codes: 0 it is over, whatever was decided; 3 it waits for people's labels or a rollout; 4 a person holds it, or
    must approve; 1 an error, after which the next call goes on; above 128 a signal, likewise.
    """
    if context.invoked_subcommand is not None:
        return
    root = Path(context.obj.project_path)
    with told_in_words(root):
        if dry_run:
            _foresee(_project(root, env), cause)
        elif every is not None:
            _again_and_again(root, every, env)
        else:
            context.exit(_once(_project(root, env), cause))


@iterate.command("status")
@click.pass_obj
def status(metadata: Any, /) -> None:
    """Show where the loop stands: the last iteration, its steps, what it waits for, and calls that failed."""
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.iterate.words import status_lines

        project = _project(root, None)
        if failed := project.failed_calls.read():
            click.echo(str(failed))
        current = project.state.read()
        for line in status_lines(current, project.verdicts.standing(current.number if current else 0)):
            click.echo(line)


@iterate.command("history")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Iterations to show.")
@click.option("--json", "as_json", is_flag=True, help="The lines of the ledger, for programs.")
@click.pass_obj
def history(metadata: Any, /, *, last: int, as_json: bool) -> None:
    """Show the iterations that are over: cause, cost, effect."""
    import json

    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.iterate.history_page import PAGE
        from cu_pipeline.iterate.ledger import IterationLog
        from cu_pipeline.iterate.words import history_table

        lines = list(_project(root, None).ledger.records())[-last:]
        shown = (json.dumps(IterationLog.encode(one)) for one in lines) if as_json else iter(history_table(lines))
        for line in shown:
            click.echo(line)
        if lines and not as_json:
            click.echo(f"More: {PAGE}")


@iterate.command("hold")
@_REASON
@click.pass_obj
def hold(metadata: Any, /, *, reason: str) -> None:
    """Stop the loop before its next step, until `release`."""
    _say(metadata, "hold", reason)


@iterate.command("release")
@_REASON
@click.pass_obj
def release(metadata: Any, /, *, reason: str) -> None:
    """Let a held loop go on."""
    _say(metadata, "release", reason)


@iterate.command("approve")
@_REASON
@click.pass_obj
def approve(metadata: Any, /, *, reason: str) -> None:
    """Let the iteration promote what it has trained, where that needs a person's word."""
    _say(metadata, "approve", reason)


@iterate.command("veto")
@_REASON
@click.pass_obj
def veto(metadata: Any, /, *, reason: str) -> None:
    """End the iteration that is not over: what it has trained is not promoted, and what was labelled is kept."""
    _say(metadata, "veto", reason)


def _project(root: Path, env: str | None) -> "Project":
    from cu_pipeline.iterate.project import Project

    return Project(root, env)


def _once(project: "Project", cause: str) -> int:
    from cu_pipeline.iterate.runner import iterate as run

    signal.signal(signal.SIGTERM, _end)
    report = run(project, cause, click.echo)
    click.echo(report.told)
    return int(report.ended)


def _end(*_: object) -> NoReturn:
    """End by SIGTERM as by an error: what is open is closed, and the next call goes on."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(_TERMINATED)


def _again_and_again(root: Path, every: str, env: str | None) -> None:
    from cu_pipeline.iterate.schedule import Schedule, seconds_of

    command = [sys.executable, "-m", "kedro", "iterate", *(["--env", env] if env else [])]
    schedule = Schedule(command, seconds_of(every), click.echo)
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, schedule.stop)
    schedule.run(root)


def _foresee(project: "Project", cause: str) -> None:
    from cu_pipeline.iterate.foresight import foresee

    for line in foresee(project, cause):
        click.echo(line)


def _say(metadata: Any, word: str, reason: str) -> None:
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.iterate.verdicts import Word

        project, said = _project(root, None), Word(word)
        number, counts = 0, "It counts at the next step"
        if said not in {Word.HOLD, Word.RELEASE}:
            current = _open_one(project.state.read(), said)
            number, counts = current.number, _when_it_counts(current, said)
        project.verdicts.say(said, number, reason)
        click.echo(f"{word}: noted" + (f", for iteration {number}" if number else "") + f". {counts}")


def _open_one(current: "Iteration | None", word: "Word") -> "Iteration":
    """The iteration that a word can still be about."""
    from cu_pipeline.core.errors import ConfigurationError
    from cu_pipeline.iterate.state import Status
    from cu_pipeline.iterate.verdicts import Word

    if current is None or current.status is Status.DONE:
        told = "no iteration is open" if current is None else f"iteration {current.number} is over: {current.reason}"
        remedy = {
            Word.APPROVE: "a model that was kept back: `kedro models promote CAPABILITY MODEL`",
            Word.VETO: "a model that serves already: `kedro models rollback CAPABILITY`",
        }[word]
        raise ConfigurationError(f"{word.value}: {told}. Remedy for {remedy}")
    return current


def _when_it_counts(current: "Iteration", word: "Word") -> str:
    from cu_pipeline.iterate.state import Status
    from cu_pipeline.iterate.verdicts import Word

    if word is Word.APPROVE and current.status is not Status.APPROVAL:
        return "It does not wait for approval now: the word counts if it comes to that"
    return "It counts at the next step"

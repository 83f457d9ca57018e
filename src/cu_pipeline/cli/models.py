"""`kedro models`: list, compare, promote and take back the models of each capability."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    from cu_pipeline.cli.model_changes import Change
    from cu_pipeline.cli.model_project import ModelProject
    from cu_pipeline.evaluation.account import GateTest
    from cu_pipeline.tracking.promotions import Cause

_ENV = click.option("--env", "-e", default=None, help="Kedro environment.")
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
_REASON = click.option("--reason", default="", help="Why; it is kept in the ledger.")
_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
_AFTER: Final = (
    "A running service follows in a few seconds. The next run records the change in dvc.lock, packs it in the Bento "
    "and brings the report up to date: make run PIPELINES=evaluate,deliver,monitor,report"
)


@click.group("models")
def models() -> None:
    """List, compare, promote and take back models.

    A MODEL is named by its number in MLflow's registry, by its bundle's version or the beginning of that, by the name
    or id of a run that trained it, or by its alias: champion, challenger.
    """


@models.command("list")
@click.argument("capability", required=False)
@_JSON
@_ENV
@click.pass_obj
def list_models(metadata: Any, /, *, capability: str | None, as_json: bool, env: str | None) -> None:
    """List the models of CAPABILITY, or of all, newest first; the champion is marked *.

    Models that runs trained and nobody registered are among them. The numbers are what each model's own run measured on
    its test clips; `kedro models compare` asks two models about the same ones.
    """
    from cu_pipeline.cli.model_words import listing, to_json
    from cu_pipeline.tracking.known_models import known_models
    from cu_pipeline.tracking.known_models import to_json as model_json

    with _project(metadata, env) as project:
        names = [capability] if capability else project.capabilities()
        found = {name: project.models(name) if capability else known_models(name) for name in names}
        champions = {name: project.champion(name) for name in names}
        if as_json:
            rows = [
                model_json(one, champion=bool(one.bundle_version) and one.bundle_version == champions[name])
                for name in names
                for one in found[name]
            ]
            click.echo(to_json(rows))
            return
        told = [listing(name, found[name], champions[name]) for name in names if found[name] or champions[name]]
        click.echo("\n\n".join(told) or "no model yet: `make run` trains some")


@models.command("show")
@click.argument("capability")
@click.argument("model", default="champion")
@_ENV
@click.pass_obj
def show(metadata: Any, /, *, capability: str, model: str, env: str | None) -> None:
    """Show all of MODEL, by default of the champion: what it reads, its numbers, its gate decision, its promotions."""
    from cu_pipeline.cli.model_words import in_full
    from cu_pipeline.tracking.promotions import of_capability

    with _project(metadata, env) as project:
        known = project.find(capability, model)
        changes = of_capability(project.ledger, capability)
        for line in in_full(known, project.load(known), project.champion(capability), project.reports(known), changes):
            click.echo(line)


@models.command("compare")
@click.argument("capability")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_ENV
@click.pass_obj
def compare_models(metadata: Any, /, *, capability: str, first: str, second: str, env: str | None) -> None:
    """Compare the models A and B: what their runs measured, and what both say of today's labelled test clips.

    That is an exploration: it spends nothing of the gate's account.
    """
    from cu_pipeline.cli.model_comparison import compare
    from cu_pipeline.cli.model_words import side_by_side

    with _project(metadata, env) as project:
        both = [project.find(capability, word) for word in (first, second)]
        click.echo(side_by_side(both))
        found = compare(project, *map(project.load, both))
        if isinstance(found, str):
            click.echo(f"\nThey are not held against each other on the same clips: {found}")
            return
        click.echo("")
        for line in found.lines((both[0].bundle_version, both[1].bundle_version)):
            click.echo(line)


@models.command("promote")
@click.argument("capability")
@click.argument("model")
@_REASON
@_DRY_RUN
@_ENV
@click.pass_obj
def promote(metadata: Any, /, *, capability: str, model: str, reason: str, dry_run: bool, env: str | None) -> None:
    """Make MODEL the champion of CAPABILITY, whatever the gate says of it.

    Any run's model can be promoted, of any family. The gate does not promote the champion that it replaces again by
    itself.
    """
    with _project(metadata, env, writes=not dry_run) as project:
        _make(project, (capability, model), "promote", reason or "promoted by hand", dry_run=dry_run)


@models.command("rollback")
@click.argument("capability")
@click.option("--to", "model", default=None, metavar="MODEL", help="A former champion; without it, the one before.")
@_REASON
@_DRY_RUN
@_ENV
@click.pass_obj
def rollback(
    metadata: Any, /, *, capability: str, model: str | None, reason: str, dry_run: bool, env: str | None
) -> None:
    """Take CAPABILITY back to its champion before, as the ledger of promotions has it.

    The gate does not promote what was taken back again by itself; `kedro models promote` does. A second rollback leads
    one step further back.
    """
    from cu_pipeline.cli.model_changes import former_champion

    with _project(metadata, env, writes=not dry_run) as project:
        target = former_champion(project, capability, model)
        _make(project, (capability, target), "rollback", reason or "taken back by hand", dry_run=dry_run)


@contextmanager
def _project(metadata: Any, env: str | None, *, writes: bool = False) -> "Iterator[ModelProject]":
    root = Path(metadata.project_path)
    with told_in_words(root):
        from cu_pipeline.cli.model_project import open_project

        with open_project(root, env, writes=writes) as opened:
            yield opened


def _make(project: "ModelProject", named: tuple[str, str], cause: "Cause", reason: str, *, dry_run: bool) -> None:
    """Tell a change, and make it unless it is a dry run."""
    from cu_pipeline.cli import model_changes

    change = model_changes.plan(project, *named, cause, reason)
    for line in model_changes.notes(project, change):
        click.echo(line)
    paid = _price(project, change)
    if dry_run:
        click.echo("Dry run: nothing was changed")
        return
    model_changes.make(project, change, paid)
    click.echo(f"{change.bundle.capability}: the champion is {change.bundle.version} from now on. {_AFTER}")


def _price(project: "ModelProject", change: "Change") -> "list[GateTest]":
    """Hold a model that is promoted against the champion, and say whether this counts as a test of the gate's."""
    from cu_pipeline.cli.model_changes import price
    from cu_pipeline.cli.model_comparison import Comparison, compare

    champion = project.served.get(change.bundle.capability)
    if change.cause != "promote" or champion is None or champion.version != change.before:
        return []
    found = compare(project, champion, change.bundle)
    if not isinstance(found, Comparison):
        click.echo(f"not held against the champion: {found}")
        return []
    gain = found.gain
    low, high = gain.interval()
    paid = price(project, found)
    counts = (
        "Whoever saw such numbers chose by these clips, so it counts as a test in the gate's account"
        if paid
        else "The gate's account has a test of these two models already, so nothing more is spent"
    )
    click.echo(
        f"on {gain.clips} labelled test clips its accuracy is {gain.effect:+.3f} [{low:+.3f}, {high:+.3f}] against the "
        f"champion's. {counts}"
    )
    return paid

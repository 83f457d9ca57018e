"""`kedro erase`: removes clips and creators from everything that holds them, after saying what that is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words
from cu_pipeline.cli.gc import size_in_words

_NAMED: Final = 5


@click.command("erase")
@click.option("--clip", "clips", multiple=True, help="Id of a clip; may be given several times.")
@click.option("--creator", "creators", multiple=True, help="Name of a creator; may be given several times.")
@click.option("--yes", is_flag=True, help="Do it. Without this, all places are listed and nothing is changed.")
@click.option("--with-copies", is_flag=True, help="Also clips of others that have the same media.")
@click.option("--reason", default="", help="Why, kept in erased.jsonl: no name of anybody.")
@click.option(
    "--retrain", is_flag=True, help="Run the pipelines afterwards, so that the models are trained without it."
)
@click.option("--resume", is_flag=True, help="Complete an erasure that was interrupted.")
@click.option("--verify", is_flag=True, help="Search all stores, and print what still holds anything of it.")
@click.option(
    "--lift", is_flag=True, help="Let feeds bring these clips and creators again. Nothing comes back by itself."
)
@click.option("--all", "name_all", is_flag=True, help=f"Name all places, not {_NAMED} of each kind.")
@click.option("--env", "-e", help="Kedro environment whose settings count.")
@click.pass_obj
def erase(metadata: Any, /, **given: Any) -> None:
    """Show, and with --yes remove, everything that holds clips or creators or was derived from them."""
    root, asked = Path(metadata.project_path).resolve(), Asked(**given)
    asked.check()
    with told_in_words(root):
        if asked.lift:
            _lift(root, asked)
            return
        check_shared(root, asked.env, removes=asked.yes or asked.resume)
        if asked.verify:
            with _opened(root, asked.env) as project:
                _verify(project, asked)
        elif _erased(root, asked):
            _retrain(root, asked.env)


@dataclass(frozen=True)
class Asked:
    """What the command line says; for the meaning see the options."""

    clips: tuple[str, ...]
    creators: tuple[str, ...]
    yes: bool
    with_copies: bool
    reason: str
    retrain: bool
    resume: bool
    verify: bool
    lift: bool
    name_all: bool
    env: str | None

    @property
    def named(self) -> bool:
        """Whether anybody is named."""
        return bool(self.clips or self.creators)

    @property
    def most(self) -> int | None:
        """Places of a kind that are named."""
        return None if self.name_all else _NAMED

    def check(self) -> None:
        """Refuse what does not go together."""
        if self.resume and self.named:
            raise click.UsageError("--resume completes what was begun: leave --clip and --creator out")
        if not (self.named or self.resume or self.verify):
            raise click.UsageError("name what goes: --clip ID or --creator NAME, each as often as needed")
        if self.lift and (self.resume or self.verify or self.yes):
            raise click.UsageError("--lift stands alone with --clip and --creator")


def check_shared(root: Path, env: str | None, *, removes: bool) -> None:
    """Do not erase here what tells which of the team's places hold a clip, unless these are looked into as well."""
    if env is not None or not (root / ".cluster/env").is_file():
        return
    told = "what the team shares, by .cluster/env, is looked into with --env cluster alone"
    if removes:
        raise click.ClickException(f"{told}: give it, or --env local to leave all that as it is")
    click.echo(f"not looked into: {told}")


def _erased(root: Path, asked: Asked) -> bool:
    """Complete what was begun, then show or do what is asked; say whether the models are to be trained again."""
    from cu_pipeline.erasure.erase import prepare
    from cu_pipeline.erasure.journal import Journal
    from cu_pipeline.erasure.project import Wanted
    from cu_pipeline.erasure.subjects import find_subjects

    with _opened(root, asked.env) as project:
        again = False
        if begun := Journal.read(root):
            if not (asked.yes or asked.resume):
                raise click.ClickException("an erasure was interrupted: complete it first with `kedro erase --resume`")
            click.echo("completing an erasure that was interrupted")
            again = complete_and_tell(project, begun, asked.most)
        elif asked.resume:
            click.echo("there is no erasure to complete")
        if not asked.named:
            return again
        found = find_subjects(project, asked.clips, asked.creators, with_copies=asked.with_copies)
        _tell_subjects(found)
        wanted = Wanted(found.identities)
        if asked.yes:
            journal = prepare(project, wanted, reason=asked.reason, retrain=asked.retrain)
            return complete_and_tell(project, journal, asked.most) or again
        _show(project, wanted, asked.most)
        return again


def _tell_subjects(found: Any) -> None:
    click.echo(f"clips: {len(found.identities.clips):,}, creators: {len(found.identities.creators):,}")
    for name in found.unknown:
        click.echo(f"  nothing tells of {name!r}; it will be refused when a feed brings it")
    for clip, creator in found.copies:
        click.echo(f"  {clip} of {creator or 'nobody named'} has the same media, and stays; --with-copies takes it too")
    if found.mentioned:
        click.echo(
            f"  {found.mentioned:,} captions of other clips mention a creator's name; they are others', and stay"
        )


def _show(project: Any, wanted: Any, most: int | None) -> None:
    from cu_pipeline.erasure import runs
    from cu_pipeline.erasure.erase import models_in_words, survey
    from cu_pipeline.erasure.shared import reachable

    project, failed = reachable(project)
    held = list(survey(project, wanted))
    for holder in dict.fromkeys(one.holder for one in held):
        _tell(holder, [one.place for one in held if one.holder == holder], most)
    for model in models_in_words(project, wanted):
        click.echo(f"learned from it: {model}")
    if gone := runs.unrepeatable(project, wanted):
        click.echo(f"cannot be repeated afterwards: {len(gone)} MLflow runs")
    for place in failed:
        click.echo(f"cannot be reached: {place}")
    for place in project.not_reached():
        if place not in failed:
            click.echo(f"not looked into: {place}")
    click.echo(f"{len(held):,} places. Nothing was changed; do it: the same command with --yes")


def _tell(holder: str, places: list[Any], most: int | None) -> None:
    count, size = sum(one.count for one in places), sum(one.size for one in places)
    click.echo(f"{holder}: {len(places):,} places, {count:,} entries, in {size_in_words(size)}")
    for one in places[:most]:
        click.echo(f"  {one.what}  {one.count:,}  {one.done}")
    if len(places) > len(places[:most]):
        click.echo(f"  and {len(places) - len(places[:most]):,} more; --all names them")


def complete_and_tell(project: Any, journal: Any, most: int | None) -> bool:
    """Do what a journal says and tell it, and say whether the models are to be trained again."""
    from cu_pipeline.erasure.erase import complete

    done = list(complete(project, journal))
    for holder in dict.fromkeys(one.holder for one in done):
        _tell(holder, [one.place for one in done if one.holder == holder], most)
    for model in journal.models:
        click.echo(f"learned from it: {model}")
    if journal.unrepeatable:
        click.echo(f"cannot be repeated any more: {len(journal.unrepeatable)} MLflow runs, tagged `erased.data`")
    click.echo(f"erased from {len(done):,} places; a search over all stores finds nothing but the tombstone")
    for place in project.servers_apart():
        click.echo(f"not looked into: {place}; then the same command once more")
    if journal.models and not journal.retrain:
        click.echo("`kedro run` trains without it")
    return bool(journal.retrain)


def _verify(project: Any, asked: Asked) -> None:
    from cu_pipeline.erasure.shared import reachable
    from cu_pipeline.erasure.verify import search_stores

    project, failed = reachable(project)
    found = list(search_stores(project, asked.clips, asked.creators))
    for line in found:
        click.echo(line)
    for place in failed:
        click.echo(f"cannot be reached: {place}")
    for place in project.servers_apart():
        if place not in failed:
            click.echo(f"not looked into: {place}")
    if found:
        raise click.ClickException(f"{len(found):,} places hold something that was erased, or is asked about")
    if failed:
        raise click.ClickException(f"{len(failed):,} shared places were not searched: see above")
    click.echo("nothing in any store but the tombstone")


def _lift(root: Path, asked: Asked) -> None:
    from cu_pipeline.tracking.run_lock import RunLock

    lock = RunLock(root)
    lock.acquire()
    try:
        number = _lifted(root, asked)
    finally:
        lock.release()
    click.echo(f"{number:,} tombstones lifted; the next `kedro run` takes what its feed has of it")


def _lifted(root: Path, asked: Asked) -> int:
    from cu_pipeline.erasure.project import TOMBSTONES
    from cu_pipeline.ingest.probing import forget_refusals
    from cu_pipeline.ingest.tombstones import lift

    number = lift(root / TOMBSTONES, clips=asked.clips, creators=asked.creators)
    forget_refusals(root / "data/02_intermediate/probes.jsonl")
    return number


def _retrain(root: Path, env: str | None) -> None:
    import subprocess
    import sys

    click.echo("training without it: kedro run")
    chosen = ["--env", env] if env else []
    done = subprocess.run([sys.executable, "-m", "kedro", "run", *chosen], cwd=root, check=False)
    if done.returncode:
        raise click.ClickException("the run failed: see above. The erasure is complete; start the run again")
    knowing = _still_knowing(root)
    for told in knowing:
        click.echo(f"{told}: the gate kept its challenger back, data/08_reporting/gate.json says why")
    if knowing:
        names = ", ".join(told.partition(" ")[0] for told in knowing)
        click.echo(
            f"to replace them whatever the gate says: evaluate.gate.force: [{names}] in conf/local/parameters.yml, and "
            "`kedro run`"
        )
    else:
        click.echo("no champion learned from what was erased")


def _still_knowing(root: Path) -> list[str]:
    """Name the champions that learned from clips that were erased since."""
    from cu_pipeline.models.bundle import CONFIG, Bundle

    champions = (Bundle.load(path.parent) for path in sorted((root / "data/06_models/champions").glob(f"*/{CONFIG}")))
    return [
        f"{one.capability} {one.version} still serves, and learned from {one.erased} of the clips that were erased"
        for one in champions
        if one.erased
    ]


@contextmanager
def _opened(root: Path, env: str | None) -> Iterator[Any]:
    """Read the project while no run writes to it."""
    from cu_pipeline.tracking.opened_project import opened_project
    from cu_pipeline.tracking.run_lock import RunLock

    with opened_project(root, env, RunLock(root), erasing=True) as context:
        yield project_of(context, root)


def project_of(context: Any, root: Path) -> Any:
    """Read what an erasure may know of a project."""
    import os

    from cu_pipeline.core.databases import shared_database
    from cu_pipeline.core.paths import ROOT_VARIABLE
    from cu_pipeline.core.stores import StoresOptions
    from cu_pipeline.erasure.dvc_remotes import remotes_apart
    from cu_pipeline.erasure.project import Project
    from cu_pipeline.inference.prediction_log.place import default_place, shared_or
    from cu_pipeline.tracking.catalog_files import catalog_files
    from cu_pipeline.tracking.label_project import boards, task_servers

    os.environ.setdefault(ROOT_VARIABLE, str(root))
    catalog = context.config_loader["catalog"]
    entry = catalog.get("prediction_log") or {}
    folder = root / str(entry.get("filepath", "data/07_model_output/prediction_log"))
    logs = [str(folder), str(entry.get("database") or shared_or(folder)), default_place()]
    options = context.params["collect"]
    return Project(
        root, catalog_files(catalog), tuple(dict.fromkeys(logs)), options.limits, task_servers(context, root),
        tuple(options.manifest), shared_database(), context.params.get("stores") or StoresOptions(),
        boards(context, root), remotes_apart(root),
    )  # fmt: skip

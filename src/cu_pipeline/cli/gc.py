"""`kedro gc`: removes what the settings under `retention` let go, after saying so."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words
from cu_pipeline.core.errors import NoSpaceError, PlaceError

_NAMED: Final = 5
_STAYS: Final = (
    "Never removed: promoted and served models, ledgers, people's answers, paid answers of language models, "
    "certification tests, snapshots."
)


@click.command("gc")
@click.option("--yes", is_flag=True, help="Remove it. Without this, nothing is removed.")
@click.option("--all", "name_all", is_flag=True, help=f"Name all that would go, not {_NAMED} of each kind.")
@click.option("--env", "-e", help="Kedro environment whose settings count.")
@click.pass_obj
def gc(metadata: Any, /, *, yes: bool, name_all: bool, env: str | None) -> None:
    """Show, and with --yes remove, what is beyond the settings under `retention` in conf/base/parameters.yml.

    A run after it decodes nothing and asks nothing that it would not have without it.
    """
    root = Path(metadata.project_path).resolve()
    most = None if name_all else _NAMED
    with told_in_words(root), _opened(root, env, writes=yes) as context:
        project = _project(context, root)
        aged = _aged(context, project, env, yes=yes, most=most)
        found = list(_by_kind(project, yes=yes, most=most))
    if aged and not found:
        return
    if not found:
        click.echo(f"nothing to remove: all that runs left is within `retention`\n{_STAYS}")
        return
    size, left = size_in_words(sum(one or 0 for one in found)), found.count(None)
    click.echo(f"removed {size}" if yes else f"{size} would go. Remove them: kedro gc --yes\n{_STAYS}")
    if left:
        raise click.ClickException(f"{left:,} could not be removed: see above. Run `kedro gc --yes` again after it")


def _aged(context: Any, project: Any, env: str | None, *, yes: bool, most: int | None) -> bool:
    """Show or erase the clips that were posted longer ago than `clips_days`, and tell whether there were any."""
    if (days := project.options.clips_days) is None:
        return False
    from datetime import timedelta

    from cu_pipeline.cli.erase import check_shared, complete_and_tell, project_of
    from cu_pipeline.erasure.erase import prepare
    from cu_pipeline.erasure.project import Wanted
    from cu_pipeline.erasure.subjects import find_older, find_subjects

    wide = project_of(context, project.root)
    clips, undated = find_older(wide, project.now - timedelta(days=days))
    if undated:
        click.echo(f"clips that nobody dated: {undated:,}; they stay")
    if not clips:
        return False
    click.echo(f"clips posted more than {days:,} days ago: {len(clips):,}")
    check_shared(project.root, env, removes=yes)
    if yes:
        wanted = Wanted(find_subjects(wide, clips, []).identities)
        complete_and_tell(wide, prepare(wide, wanted, reason=f"older than {days} days", retrain=False), most)
    else:
        click.echo("  all that holds them would go, as by `kedro erase`: kedro gc --yes")
    return True


def _by_kind(project: Any, *, yes: bool, most: int | None) -> Iterator[int | None]:
    """Show or remove what may go, kind by kind, and yield the bytes; None for what could not be removed."""
    from cu_pipeline.tracking.retention.kinds import KINDS

    for kind, list_removable in KINDS.items():
        found = list(list_removable(project))
        if not found:
            continue
        size = sum(one.size for one in found)
        click.echo(f"{kind}: {len(found):,}, {size_in_words(size)}")
        for one in found[:most]:
            click.echo(f"  {one.what}  {size_in_words(one.size)}")
        if len(found) > len(found[:most]):
            click.echo(f"  and {len(found) - len(found[:most]):,} more; --all names them")
        yield from map(_removed, found) if yes else [size]


def _removed(one: Any) -> int | None:
    """Remove one thing and give the bytes that it freed; None where the system does not let it go, which is told."""
    try:
        one.remove()
    except (OSError, PlaceError) as error:
        click.echo(f"  {one.what} could not be removed: {getattr(error, 'strerror', None) or error}", err=True)
        return None
    return int(one.size)


@contextmanager
def _opened(root: Path, env: str | None, *, writes: bool) -> Iterator[Any]:
    """Read the project, for removing only while no run writes to it."""
    from cu_pipeline.tracking.abandoned_runs import close_abandoned
    from cu_pipeline.tracking.mlflow_run import tracking_uri
    from cu_pipeline.tracking.mlflow_server import failures_told
    from cu_pipeline.tracking.opened_project import opened_project
    from cu_pipeline.tracking.run_lock import RunLock

    with opened_project(root, env, RunLock(root, freeing=True) if writes else None) as context:
        if writes:
            with suppress(NoSpaceError), failures_told(tracking_uri(root)):
                close_abandoned(root)
        yield context


def _project(context: Any, root: Path) -> Any:
    from cu_pipeline.core.stores import StoresOptions
    from cu_pipeline.tracking.catalog_files import catalog_files
    from cu_pipeline.tracking.retention.project import Project, RetentionOptions

    parameters, files = context.params, catalog_files(context.config_loader["catalog"])
    store, extractors = root / parameters["deliver"].bentoml_home, parameters["featurize"].extractors
    stores, retention = parameters.get("stores") or StoresOptions(), parameters.get("retention") or RetentionOptions()
    return Project(root, retention, files, extractors, store, stores=stores)


def size_in_words(size: float) -> str:
    """Write bytes for people.

    >>> size_in_words(0), size_in_words(1500), size_in_words(5_430_000), size_in_words(2.5e9)
    ('0 bytes', '1.5 kB', '5.4 MB', '2.5 GB')
    """
    for unit, least in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= least:
            return f"{size / least:.1f} {unit}"
    return f"{size:.0f} bytes"

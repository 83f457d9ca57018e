"""`kedro params`: what is in force in place of `conf/base`, and how to end that."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cu_pipeline.cli.foreseen import told_in_words

if TYPE_CHECKING:
    from cu_pipeline.tracking.configuration import ProjectConfigLoader
    from cu_pipeline.tracking.overrides import Recorded


@click.group("params", invoke_without_command=True)
@click.pass_context
def parameters(context: click.Context) -> None:
    """List the parameters that are not as conf/base says, and where each comes from."""
    if context.invoked_subcommand is None:
        from cu_pipeline.tracking.override_words import listing

        root = Path(context.obj.project_path)
        with told_in_words(root):
            loader = _loader(root)
            recorded, _ = loader.up_to_date()
            text = listing(recorded, loader.checkout) if recorded.changes else "All parameters are as conf/base says."
            click.echo(text)


@parameters.command("refresh")
@click.pass_obj
def refresh(metadata: Any) -> None:
    """Bring params.yaml, which DVC compares, up to date with conf/; `make repro` does it first.

    DVC knows neither conf/local nor other environments: an edit there counts for `dvc repro` after this.
    """
    from cu_pipeline.tracking import override_words

    root = Path(metadata.project_path)
    with told_in_words(root), _locked(root):
        loader = _loader(root)
        recorded, ended = loader.up_to_date()
        _write(loader, recorded)
        for line in [*override_words.edits(ended), *override_words.in_force(recorded, [""], loader.checkout)]:
            click.echo(line)


@parameters.command("drop")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that no file of conf/ states, but not the project's feed.")
@click.pass_obj
def drop(metadata: Any, /, names: tuple[str, ...], *, everything: bool) -> None:
    """Have parameters be as conf/ says again; NAMES are parameters or groups, such as train.fusion."""
    from cu_pipeline.tracking.override_words import short
    from cu_pipeline.tracking.overrides import unexplained
    from cu_pipeline.tracking.params_file import dropped

    if bool(names) == everything:
        raise click.UsageError("name parameters or groups, such as train.linear.folds, or give --all")
    root = Path(metadata.project_path)
    with told_in_words(root), _locked(root):
        loader = _loader(root)
        recorded, _ = loader.up_to_date()
        _check_known(recorded, names, loader.checkout)
        found = unexplained(recorded, names or [""], loader.checkout)
        for one in found:
            recorded = dropped(recorded, one.name)
        _write(loader, recorded)
    for one in found:
        click.echo(f"{one.name}={short(one.value)} is dropped: conf/ has {short(one.entry.instead_of)}")
    if found:
        click.echo("`make repro` runs the stages that this makes stale")


def _check_known(recorded: "Recorded", names: tuple[str, ...], checkout: str) -> None:
    """Refuse names that cannot be dropped, and say where they are changed.

    Raises:
        ConfigurationError: lists them all.
    """
    from cu_pipeline.core.errors import ConfigurationError
    from cu_pipeline.tracking.overrides import is_part, unexplained
    from cu_pipeline.tracking.project_feed import FEED

    problems = []
    for name in names:
        if unexplained(recorded, [name], checkout):
            continue
        stated = [f"{entry.by} states {one}" for one, entry in recorded.overrides.items() if is_part(one, [name])]
        if name == FEED:
            remedy = "the project's feed stays until another is given: make run MANIFEST=…, or conf/"
        else:
            remedy = f"{'; '.join(stated)}: edit it there" if stated else "it is as conf/ says. `kedro params` lists"
        problems.append(f"{name!r} is not from a command line: {remedy}")
    if problems:
        raise ConfigurationError(problems)


def _loader(root: Path) -> "ProjectConfigLoader":
    from kedro.framework.project import settings

    loader: ProjectConfigLoader = settings.CONFIG_LOADER_CLASS(
        str(root / settings.CONF_SOURCE), **settings.CONFIG_LOADER_ARGS
    )
    return loader


def _write(loader: "ProjectConfigLoader", recorded: "Recorded") -> None:
    from cu_pipeline.tracking import dvc_lock, params_file

    compared = dvc_lock.compared_parameters(loader.root)
    params_file.write(loader.root, loader.base_parameters(), recorded, compared)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    from cu_pipeline.tracking.run_lock import HERE, RunLock

    lock = RunLock(root, HERE)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()

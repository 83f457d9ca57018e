"""`kedro stores`: what lies on places that several machines share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from cu_pipeline.cli.foreseen import told_in_words

_NAMES: Final = ("features", "champions", "reports", "media")
_named = click.argument("names", nargs=-1, required=True, type=click.Choice(_NAMES))
_env = click.option("--env", "-e", help="Kedro environment whose settings count.")


@click.group("stores")
def stores() -> None:
    """Publish, fetch and list what lies on shared places: the addresses under `stores` in conf/."""


@stores.command("list")
@_env
@click.pass_obj
def list_(metadata: Any, /, *, env: str | None) -> None:
    """Show where each store lies, and try to reach it."""
    with _opened(metadata, env, writes=False) as project:
        from cu_pipeline.core.errors import PlaceError
        from cu_pipeline.core.shelf import Shelf

        for name in _NAMES:
            address = getattr(project.options, name)
            try:
                state = f"{address}, {len(Shelf(address).listing()):,} files" if address else "this machine"
            except PlaceError as error:
                raise click.ClickException(f"{name}: {error}") from error
            click.echo(f"{name}: {state}")


@stores.command("push")
@_named
@_env
@click.pass_obj
def push(metadata: Any, /, *, names: tuple[str, ...], env: str | None) -> None:
    """Publish what is here, the features of this machine's own store among it; readers see it whole or not at all."""
    with _opened(metadata, env, writes=False) as project:
        for name in names:
            click.echo(project.push(name))


@stores.command("pull")
@_named
@_env
@click.pass_obj
def pull(metadata: Any, /, *, names: tuple[str, ...], env: str | None) -> None:
    """Fetch what was published last; champions and reports take the place of those that are here."""
    with _opened(metadata, env, writes=True) as project:
        for name in names:
            click.echo(project.pull(name))


@contextmanager
def _opened(metadata: Any, env: str | None, *, writes: bool) -> Iterator[Any]:
    """Read the project, for writing to it only while no run does."""
    root = Path(metadata.project_path).resolve()
    with told_in_words(root):
        from cu_pipeline.core.stores import StoresOptions
        from cu_pipeline.tracking.catalog_files import catalog_files
        from cu_pipeline.tracking.opened_project import opened_project
        from cu_pipeline.tracking.run_lock import RunLock
        from cu_pipeline.tracking.shared_stores import SharedStores

        with opened_project(root, env, RunLock(root) if writes else None) as context:
            files = catalog_files(context.config_loader["catalog"])
            yield SharedStores(root, context.params.get("stores") or StoresOptions(), files)

"""Commands about versions of the data and the file that DVC reads."""

from pathlib import Path
from typing import Any

import click

from cu_pipeline.cli.foreseen import told_in_words


@click.command("dvc-yaml")
@click.option("--check", is_flag=True, help="Change nothing; fail when the file is stale.")
@click.pass_obj
def dvc_yaml(metadata: Any, *, check: bool) -> None:
    """Write dvc.yaml from the pipelines and the catalog."""
    from cu_pipeline.tracking import dvc_yaml as generator

    with told_in_words(Path(metadata.project_path)):
        project = generator.read_project(metadata)
        if not check:
            click.echo(f"wrote {generator.write(project)}")
            return
        stale = generator.differences(project)
    if stale:
        advice = f"{generator.FILE_NAME} is stale: run `kedro dvc-yaml` and commit the file"
        raise click.ClickException("\n  ".join([advice, *stale]))


@click.group("snapshots", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list, oldest first.")
@click.pass_context
def snapshots(context: click.Context, /, *, as_json: bool) -> None:
    """List the versions of the data, newest first.

    A version is recorded after each run that changed a table. An id follows from the tables' content, so the same
    data has the same id again.
    """
    if context.invoked_subcommand is None:
        from cu_pipeline.tracking.snapshot_diff import list_snapshots, project_tables

        root = Path(context.obj.project_path)
        with told_in_words(root):
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
    from cu_pipeline.tracking.snapshot_diff import diff_snapshots, project_tables

    root = Path(metadata.project_path)
    with told_in_words(root):
        click.echo(diff_snapshots(root, project_tables(root), old, new, shown=ids, as_json=as_json))

"""`kedro run`, which reports foreseen errors in words."""

import traceback
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError, NoSpaceError

_ERROR_LOG = "data/last_error.log"


@click.command("run", params=kedro_run.params, help=kedro_run.help)
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

    for hooks in settings.HOOKS:
        if hasattr(hooks, "abandon"):
            hooks.abandon(error)


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

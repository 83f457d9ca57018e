"""`kedro run`, which reports foreseen errors in words, and commands that serve a model or send clips to a service."""

import traceback
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

from cu_pipeline.cli.foreseen import told_in_words
from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError, NoSpaceError

_SHARE = click.FloatRange(0, 1)


@click.command("traffic")
@click.option("--clips", default=40, show_default=True, type=click.IntRange(1), help="How many clips to send.")
@click.option("--url", default="http://127.0.0.1:3000", show_default=True, help="Address of the service.")
@click.option("--new-topic", default=0.0, type=_SHARE, help="Share of clips about a topic the models do not know.")
@click.option("--new-style", default=0.0, type=_SHARE, help="Share of clips in a new visual style.")
@click.option("--new-slang", default=0.0, type=_SHARE, help="Share of clips with new words.")
@click.option("--mix", default=0.0, type=_SHARE, help="Share of clips in other proportions of topics.")
@click.pass_obj
def traffic(metadata: Any, /, *, clips: int, url: str, **drift: float) -> None:
    """Send generated clips to a running service, to see what the monitor makes of them."""
    from cu_pipeline.pipelines.deliver.client import send_sample
    from cu_pipeline.sample.options import Drift, SampleOptions

    options = SampleOptions(broken=0, near_duplicates=0).following(clips, Drift(**drift))
    with told_in_words():
        answered, refused = send_sample(Path(metadata.project_path) / "data/01_raw/traffic", options, url)
    click.echo(f"{answered} clips answered, {refused} refused. Look for drift: make run PIPELINES=monitor,report")


@click.command("llm-server")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any free one.")
@click.option("--threads", default=1, show_default=True, type=click.IntRange(0), help="0: one per core.")
def llm_server(*, port: int, threads: int) -> None:
    """Serve the packaged language model on this machine as OpenAI's API, until interrupted."""
    import signal
    import threading

    from cu_pipeline.llm.clients.options import PackagedOptions
    from cu_pipeline.llm.clients.packaged import start_engine

    options = PackagedOptions(threads=threads)
    with told_in_words():
        server = start_engine(options, port=port)
    click.echo(f"{options.model} listens on {server.listening_address}/v1")
    stopped = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):  # a shell lets what it starts in the background ignore SIGINT
        signal.signal(one, lambda *_: stopped.set())
    stopped.wait()


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

"""`kedro run`, which ends in words instead of tracebacks, and commands that serve a model or send clips to one."""

from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import KedroCliError

from cu_pipeline.cli.foreseen import VERBOSE, in_words, is_clicks, told_in_words
from cu_pipeline.cli.params import ParamsOption
from cu_pipeline.cli.selection import check_selection
from cu_pipeline.tracking.parameter_trees import lay_over, nested
from cu_pipeline.tracking.project_feed import REPLACE

_SHARE = click.FloatRange(0, 1)


@click.command("traffic")
@click.option("--clips", default=40, show_default=True, type=click.IntRange(1), help="How many clips to send.")
@click.option("--url", default="http://127.0.0.1:3000", show_default=True, help="Address of the service.")
@click.option("--new-topic", default=0.0, type=_SHARE, help="Share of clips about a topic the models do not know.")
@click.option("--new-style", default=0.0, type=_SHARE, help="Share of clips in a new visual style.")
@click.option("--new-slang", default=0.0, type=_SHARE, help="Share of clips with new words.")
@click.option("--creators", default=150, show_default=True, type=click.IntRange(1), help="Accounts that post them.")
@click.option("--mix", default=0.0, type=_SHARE, help="Share of clips in other proportions of topics.")
@click.pass_obj
def traffic(metadata: Any, /, *, clips: int, url: str, creators: int, **drift: float) -> None:
    """Send generated clips to a running service, to see what the monitor makes of them.

    The variable CU_PIPELINE_KEY has the API key for a service that asks for one.
    """
    from cu_pipeline.pipelines.deliver.client import send_sample
    from cu_pipeline.sample.options import Drift, SampleOptions

    options = SampleOptions(broken=0, near_duplicates=0, creators=creators).following(clips, Drift(**drift))
    with told_in_words(Path(metadata.project_path)):
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


_OPTIONS = [
    *(option for option in kedro_run.params if option.name != "params"),
    ParamsOption(),
    click.Option(
        ["--replace"], is_flag=True, help="Let a feed that shares no clip with what is stored take its place."
    ),
    click.Option(["--verbose"], is_flag=True, envvar=VERBOSE, help="When the run stops, show the full traceback."),
]


class _Run(click.Command):
    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Parse the options; Kedro's errors about them would show nothing but "NoneType: None"."""
        try:
            return super().parse_args(context, arguments)
        except KedroCliError as error:
            raise click.UsageError(error.message, context) from error


@click.command("run", cls=_Run, params=_OPTIONS, help=kedro_run.help)
@click.pass_context
def run(context: click.Context, /, *, verbose: bool, replace: bool, **options: Any) -> None:
    """Run pipelines as Kedro does, and end with words instead of a traceback."""
    root = Path(context.obj.project_path) if context.obj else Path.cwd()
    if replace:
        options["params"] = lay_over(options["params"], nested(REPLACE, True))
    try:
        check_selection(options)
        context.invoke(kedro_run.callback, **options)
    except BaseException as error:
        from cu_pipeline.iterate.project import abandon

        abandon(error)
        if verbose or is_clicks(error) or not isinstance(error, Exception):
            raise
        click.echo(f"\nThe run stopped: {in_words(error, root)}", err=True)
        context.exit(1)

"""`kedro metrics`: the project's own numbers for Prometheus, beside those of the service."""

from pathlib import Path
from typing import Any

import click

from cu_pipeline.cli.foreseen import told_in_words


@click.command("metrics")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, such as project.prom in the folder of node_exporter's textfile collector.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Serve them on http://HOST:PORT/metrics until interrupted.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on, with --port.")
@click.pass_obj
def metrics(metadata: Any, /, *, output: Path | None, port: int | None, host: str) -> None:
    """Tell drift, quality, labels, money, iterations and promotions as Prometheus reads them.

    Without an option they are printed. They are read from data/08_reporting anew each time.
    """
    if output and port:
        raise click.UsageError("--output writes once, --port goes on serving: give one of them")
    root = Path(metadata.project_path)
    with told_in_words(root):
        from prometheus_client import CollectorRegistry, generate_latest

        from cu_pipeline.cli.project_metrics import ProjectMetrics
        from cu_pipeline.core.atomic import write_text

        registry = CollectorRegistry(auto_describe=False)
        registry.register(ProjectMetrics(root))
        if port:
            _serve(registry, host, port)
            return
        text = generate_latest(registry).decode()
        if output:
            write_text(output, text)
        else:
            click.echo(text, nl=False)


def _serve(registry: Any, host: str, port: int) -> None:
    """Answer scrapes until the process is interrupted."""
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise click.ClickException(
            f"{host}:{port} cannot be listened on ({error.strerror or error}): end what listens there, or give another "
            "--port"
        ) from error
    click.echo(f"http://{host}:{port}/metrics    Ctrl+C ends it.")
    try:
        thread.join()
    except KeyboardInterrupt:
        server.shutdown()

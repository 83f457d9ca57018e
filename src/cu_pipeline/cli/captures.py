"""`kedro captures`: what the service kept of its requests to be labelled."""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cu_pipeline.cli.foreseen import told_in_words
from cu_pipeline.core.caption_text import clean_name

if TYPE_CHECKING:
    from cu_pipeline.ingest.capture_store import Captured, CaptureStore

_WIDTH = 60
_OFF = Path("off")
"""What the variable says where a service keeps nothing."""

_PLACE = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    envvar="CU_PIPELINE_CAPTURE",
    help="Of the store [default: CU_PIPELINE_CAPTURE, or the project's]",
)


@click.group("captures")
def captures() -> None:
    """Look at the requests that the service kept to be labelled, and delete some."""


@captures.command("list")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="Requests to show.")
@_PLACE
def show(*, last: int, folder: Path | None) -> None:
    """Show the last requests, oldest first, and how much is kept."""
    with told_in_words():
        shown: deque[Captured] = deque(maxlen=last)
        number = 0
        files: dict[Path | None, int] = {}
        for one in _store(folder).entries():
            number += 1
            shown.append(one)
            files[one.media] = one.bytes
    for one in shown:
        caption = clean_name(one.caption)  # nothing that the terminal obeys
        text = caption if len(caption) <= _WIDTH else f"{caption[:_WIDTH]}…"
        click.echo(f"{one.time:%Y-%m-%d %H:%M:%S}  {one.request_id}  {one.bytes / 1e6:.1f} MB  {text}")
    click.echo(f"requests kept: {number:,}; media: {sum(files.values()) / 1e6:,.1f} MB")


@captures.command("forget")
@click.argument("request_ids", nargs=-1, required=True, metavar="REQUEST_ID...")
@_PLACE
def forget(*, request_ids: tuple[str, ...], folder: Path | None) -> None:
    """Delete what is kept of requests."""
    with told_in_words():
        store = _store(folder)
        gone = [one for one in request_ids if store.forget(one)]
    click.echo(f"deleted: {len(gone)}; nothing was kept of: {len(request_ids) - len(gone)}")


def _store(folder: Path | None) -> "CaptureStore":
    from cu_pipeline.core.errors import ConfigurationError
    from cu_pipeline.core.paths import project_root
    from cu_pipeline.ingest.capture import CAPTURES
    from cu_pipeline.ingest.capture_store import CaptureStore

    named = (None if folder == _OFF else folder) or project_root() / CAPTURES
    if not named.is_dir():
        raise ConfigurationError([f"{named} is no folder: nothing was captured there. Say --folder for another one"])
    return CaptureStore(named)

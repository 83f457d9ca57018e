"""What a command says when it cannot go on: words for what can be foreseen, and the place of the traceback else."""

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import CuPipelineError, NoSpaceError

VERBOSE: Final = "CU_PIPELINE_VERBOSE"
"""Environment variable that has commands end with the full traceback, as `kedro run --verbose` does."""

ERROR_LOG: Final = "data/last_error.log"
_MOST_LINES: Final = 3
_LONGEST: Final = 300
_REMEDIES: Final = {
    "Pipeline contains no nodes": "give options that at least one node fits: `kedro registry describe` lists the nodes",
    "cannot be serialized": "leave --runner out: the work inside nodes is spread over all cores already",
    "only contain serialisable": "leave --runner out: the work inside nodes is spread over all cores already",
}
"""Part of what Kedro says -> what to do."""


@contextmanager
def told_in_words(root: Path | None = None) -> Iterator[None]:
    """End the command with an error's words instead of its traceback.

    Args:
        root: the project's folder, for the file that keeps the traceback.
    """
    try:
        yield
    except CuPipelineError as error:
        raise click.ClickException(str(error)) from error
    except Exception as error:
        if is_clicks(error) or os.environ.get(VERBOSE, "0") not in {"", "0"}:
            raise
        raise click.ClickException(in_words(error, root or Path.cwd())) from error


def is_clicks(error: BaseException) -> bool:
    """Whether an error is click's own way to end a command, which shows itself."""
    return isinstance(error, click.ClickException | click.exceptions.Exit | click.Abort)


def in_words(error: BaseException, root: Path) -> str:
    """Tell an error in a few lines: what, where, what to do, and where the full traceback lies.

    Args:
        error: any; foreseen, raised by Kedro or MLflow, or unforeseen.
        root: the project's folder.
    """
    told = _foreseen(error, root)
    text = str(told) if told else _shortened(error)
    kind = type(told or error).__name__
    notes = [note for note in getattr(error, "__notes__", []) if note not in text]
    lines = [*text.splitlines(), *notes, *([] if told else _advice(error))]
    log = _keep_traceback(root, error)
    lines.append(f"full traceback: {log}" + ("" if told else f", or run again with {VERBOSE}=1"))
    return "\n".join([kind, *(f"  {line}" for line in lines)])


def _foreseen(error: BaseException, root: Path) -> CuPipelineError | None:
    """Find the error in the chain of causes that was raised for people, or is MLflow's and can be told."""
    from cu_pipeline.tracking.mlflow_run import tracking_uri
    from cu_pipeline.tracking.mlflow_server import explain

    one: BaseException | None = error
    chain = []
    while one is not None and one not in chain:
        chain.append(one)
        if isinstance(one, CuPipelineError):
            return one
        one = one.__cause__ or one.__context__
    return next((told for one in reversed(chain) if (told := explain(one, tracking_uri(root)))), None)


def _shortened(error: BaseException) -> str:
    lines = [line.strip()[:_LONGEST] for line in str(error).splitlines() if line.strip()]
    return "\n".join([*lines[:_MOST_LINES], *(["…"] if len(lines) > _MOST_LINES else [])]) or "without a message"


def _advice(error: BaseException) -> list[str]:
    """What to do about an unforeseen error; where Kedro raised it, its words are the user's to act on."""
    said = str(error)
    if remedy := next((remedy for part, remedy in _REMEDIES.items() if part in said), ""):
        return [f"Remedy: {remedy}"]
    places = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if places and places[-1].startswith("kedro."):
        return []
    return ["this was not foreseen: if it is no fault of the feed or the machine, report it with the traceback"]


def _keep_traceback(root: Path, error: BaseException) -> str:
    try:
        write_text(root / ERROR_LOG, "".join(traceback.format_exception(error)))
    except (OSError, NoSpaceError):
        return "not kept: the disk cannot be written"
    return ERROR_LOG

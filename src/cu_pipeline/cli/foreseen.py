"""What a command says when it cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from cu_pipeline.core.errors import CuPipelineError


@contextmanager
def told_in_words() -> Iterator[None]:
    """End the command with a foreseen error's words instead of its traceback."""
    try:
        yield
    except CuPipelineError as error:
        raise click.ClickException(str(error)) from error

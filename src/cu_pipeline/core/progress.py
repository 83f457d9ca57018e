"""How far long work is: a bar on a terminal, and a line now and then where there is none, as in a log file."""

import io
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from tqdm import tqdm

_log = logging.getLogger(__name__)

FIRST_S: Final = 3.0
"""Seconds after which work is told of; what is done before needs no bar."""

EVERY_S: Final = 10.0
"""Seconds between two lines."""

_LINE: Final = "{desc}: {n_fmt} of {total_fmt} {unit}s, {rate_fmt}, {remaining} left{postfix}"

T = TypeVar("T")


class Bar:
    """How far one piece of work is.

    Args:
        description: what is done.
        total: items; None: nobody knows.
        unit: what one item is.
        first_s: seconds before the first line, where there is no terminal.
        every_s: seconds between two lines.
    """

    def __init__(
        self,
        description: str,
        total: int | None,
        unit: str = "clip",
        *,
        first_s: float = FIRST_S,
        every_s: float = EVERY_S,
    ) -> None:
        if sys.stderr is not None and sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=description, unit=unit, postfix="")
        else:
            self._bar = tqdm(
                total=total, desc=description, unit=unit, file=_Lines(), bar_format=_LINE,
                delay=first_s, mininterval=every_s, maxinterval=every_s, miniters=1, leave=False, position=0,
            )  # fmt: skip

    def update(self, done: int = 1, note: str = "") -> None:
        """Move on.

        Args:
            done: items more.
            note: said behind the numbers, say what was paid so far.
        """
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        if self._bar.update(done):
            _Shown.at = time.monotonic()

    def close(self) -> None:
        """End it."""
        self._bar.close()


@contextmanager
def bar(description: str, total: int | None, unit: str = "clip") -> Iterator[Bar]:
    """Show how far work is while it is done."""
    shown = Bar(description, total, unit)
    try:
        yield shown
    finally:
        shown.close()


def each(items: Iterator[T], description: str, total: int | None, unit: str = "clip") -> Iterator[T]:
    """Hand items on and show how many have come."""
    with bar(description, total, unit) as shown:
        for item in items:
            yield item
            shown.update()


def shown_within(seconds: float) -> bool:
    """Say whether a bar has moved in the last so many seconds."""
    return time.monotonic() - _Shown.at < seconds


class _Shown:
    at = float("-inf")


class _Lines(io.StringIO):
    """Where a bar is written that has no terminal: a log."""

    def write(self, text: str, /) -> int:
        if line := text.strip("\r\n "):
            _log.info(line)
        return len(text)

"""Calls of the loop in a row that ended by an error: one before its first step leaves no other trace."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import ConfigDict

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.checked import checked
from cu_pipeline.core.errors import NoSpaceError, RunInProgressError, StoreError
from cu_pipeline.iterate.checked_line import Moment
from cu_pipeline.iterate.state import content_of, now

FORMAT: Final = 1
"""Of the file; one of another format is refused."""

_LONGEST: Final = 300


@dataclass(frozen=True)
class FailedCalls:
    """Calls in a row that ended by an error.

    Attributes:
        calls: how many.
        since: when the first of them ended; ISO 8601, UTC.
        last: likewise, the last one.
        error: what the last one said, on one line, shortened.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    calls: int
    since: Moment
    last: Moment
    error: str

    def __str__(self) -> str:
        """On one line."""
        if self.calls == 1:
            return f"the last call ended by an error, {self.last}: {self.error}"
        return f"the last {self.calls} calls ended by an error, {self.since} to {self.last}: {self.error}"


class FailedCallsFile:
    """The file that counts them; it is there while the last call ended by an error.

    Args:
        path: of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> FailedCalls | None:
        """Read it; None where the last call did not end by an error.

        Raises:
            StoreError: it is damaged, or of another version.
        """
        if not self.path.is_file():
            return None
        try:
            return checked(FailedCalls, content_of(self.path, FORMAT))
        except ValueError as error:
            raise StoreError(
                f"{self.path} does not tell which calls failed ({error}). Remedy: delete it; the next `kedro iterate` "
                "that fails writes it anew"
            ) from error

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the call that the block is, if it ends by an error; one that ends otherwise forgets those before.

        A call that gives way to another process, or that a signal ends, says nothing about the loop and leaves the
        file as it is. Where the file cannot be written the error is raised all the same, and alone.
        """
        try:
            yield
        except RunInProgressError:
            raise
        except Exception as error:
            with suppress(OSError, NoSpaceError):
                self._add(error)
            raise
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _add(self, error: Exception) -> None:
        try:
            former = self.read()
        except StoreError:
            former = None
        said = " ".join((str(error) or type(error).__name__).split())
        shown = said[:_LONGEST] + ("…" if len(said) > _LONGEST else "")
        at = now()
        added = FailedCalls(former.calls + 1 if former else 1, former.since if former else at, at, shown)
        content = {"format": FORMAT, **asdict(added)}
        write_text(self.path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

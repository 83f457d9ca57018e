from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cu_pipeline.core.errors import BadClipError, Reason


@dataclass(frozen=True)
class Body:
    """A file behind an address, about to be read.

    Attributes:
        version: what its store says of it that a later content would change; "" when it says nothing.
        size: in bytes; None when not told.
        blocks: the bytes; taking them raises what `Transport` raises.
    """

    version: str
    size: int | None
    blocks: Iterator[bytes]


class Transport(Protocol):
    """A way to read the file behind an address."""

    def __call__(self, address: str, known: str, wait_s: float) -> AbstractContextManager[Body | None]:
        """Open the file.

        Args:
            address: where it is.
            known: the version that was read before; "" when there is none.
            wait_s: seconds of silence after which the store counts as not answering.

        Returns:
            The file; None when it is still `known`.

        Raises:
            BadClipError: `missing`, or `unreachable`; a `TemporaryError` where it is worth another attempt.
            ManifestError: a package is not installed.
        """
        ...


class TemporaryError(BadClipError):
    """A failure that another attempt may not meet.

    Args:
        detail: what was seen, for a person.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.UNREACHABLE, detail)

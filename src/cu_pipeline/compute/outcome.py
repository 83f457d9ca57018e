from dataclasses import dataclass
from typing import Generic, TypeVar

from cu_pipeline.core.errors import BadClipError

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of one item.

    Attributes:
        value: what the function gave; None when it failed.
        error: why it failed; None when it did not.
    """

    value: T | None = None
    error: BadClipError | None = None

    def get(self) -> T:
        """Give the value.

        Raises:
            BadClipError: the function failed.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]

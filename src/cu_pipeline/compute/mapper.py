from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from cu_pipeline.core.errors import BadClipError, Reason

T = TypeVar("T")

_PASSING: Final = {Reason.TIMEOUT, Reason.CRASHED}


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What became of one item.

    Attributes:
        value: what the function gave; None when it failed.
        error: why it failed; None when it did not.
    """

    value: T | None = None
    error: BadClipError | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether another try would end alike. Too slow or crashed may be the machine's fault, not the item's."""
        return self.error is None or self.error.reason not in _PASSING

    def get(self) -> T:
        """Give the value.

        Raises:
            BadClipError: the function failed.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]

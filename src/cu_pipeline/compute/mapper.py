"""What it takes to map a function over clips, wherever that happens."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

from cu_pipeline.core.errors import BadClipError, Reason

S = TypeVar("S")
T = TypeVar("T")
Item_contra = TypeVar("Item_contra", contravariant=True)

_PASSING: Final = {Reason.TIMEOUT, Reason.CRASHED, Reason.MISSING}


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
        """Tell whether another try would end alike. Too slow, crashed or not there may be the machine's fault."""
        return self.error is None or self.error.reason not in _PASSING

    def get(self) -> T:
        """Take the value.

        Raises:
            BadClipError: the function failed.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]


class Mapper(Protocol):
    """Applies a function to many items that may crash, hang or exhaust what runs them.

    All work on clips goes through one: probing, hashing, decoding, reading text on screen, thumbnails, rendering. The
    caller neither knows nor decides how many processes there are or on which machines they run.
    """

    def map(
        self,
        function: Callable[[S], T],
        items: Iterable[S],
        *,
        timeout_s: float,
        memory_mb: int,
        description: str,
    ) -> Iterator[Outcome[T]]:
        """Apply a function to each item, ahead of the caller by a bounded number of items.

        Args:
            function: picklable, so defined at the top of an importable module, or a `functools.partial` of such.
            items: picklable and small, such as paths; taken one after the other as they are needed.
            timeout_s: seconds of wall-clock time for one item.
            memory_mb: memory that one item may take, in MiB.
            description: what the progress bar says.

        Yields:
            An outcome for each item, in the items' order: the value, or the error that stands for it. What takes a
            process down costs that item alone.

        Raises:
            ConfigurationError: no process can start, or `function` cannot be pickled.
        """
        ...


@runtime_checkable
class Spreader(Protocol):
    """A mapper that can also send whole jobs to where something stays that does them, such as a loaded model."""

    def spread(
        self,
        make: Callable[[], Callable[[S], T]],
        jobs: Sequence[S],
        *,
        memory_mb: int,
        on_gpu: bool = False,
    ) -> Iterator[T]:
        """Do jobs, each once; one whose worker or machine is lost is done again by another.

        Args:
            make: makes what does jobs, once for each worker, there; picklable.
            jobs: picklable and small: paths, never what lies there.
            memory_mb: what a worker may take, in MiB.
            on_gpu: whether a worker takes a GPU where the cluster has any.

        Yields:
            What each job gave, picklable and small, as it comes.

        Raises:
            CuPipelineError: a job did, or no worker can start.
        """
        ...


class Lent(Protocol[Item_contra, T]):
    """Workers that hold something each, and take turns: any number of threads may give them items."""

    @property
    def size(self) -> int:
        """How many there are, so items at a time."""

    def run(self, item: Item_contra) -> Outcome[T]:
        """Let one of them that is idle do an item; a lost worker costs it another try.

        Raises:
            ConfigurationError: no worker starts.
        """

    def end(self) -> None:
        """End all of them: every `run` returns."""


@runtime_checkable
class Lender(Protocol):
    """A mapper that also lends workers which hold something for as long as it is needed, such as a loaded model."""

    def lend(self, make: Callable[[], Callable[[S], T]], *, most: int, memory_mb: int, cores: int = 1) -> Lent[S, T]:
        """Start workers.

        Args:
            make: makes what does items, once for each worker, there; picklable. So are items and what comes of them.
            most: workers at most.
            memory_mb: what a worker may take, in MiB.
            cores: that a worker computes on.
        """
        ...

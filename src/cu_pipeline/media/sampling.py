from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from av import VideoFrame

T = TypeVar("T")
Frame = TypeVar("Frame", bound=Hashable)


@dataclass(frozen=True)
class Sampling(Generic[T]):
    """Which frames of a clip somebody wants, and as what.

    Attributes:
        count: frames shown at the centres of so many equal segments of time.
        convert: applied to each chosen frame; frames themselves are not kept.
    """

    count: int
    convert: "Callable[[VideoFrame], T]"


class Chosen(Generic[Frame, T]):
    """The frames that samplings chose of one clip, and what they made of those that were found.

    Args:
        samplings: what is wanted.
        choose: count -> names of the frames, in order of time.
    """

    def __init__(self, samplings: Sequence[Sampling[T]], choose: Callable[[int], Sequence[Frame]]) -> None:
        self._samplings = samplings
        self._wanted = [list(choose(sampling.count)) for sampling in samplings]
        self._found: list[dict[Frame, T]] = [{} for _ in samplings]
        self._names = [set(wanted) for wanted in self._wanted]
        self.frames = set().union(*self._names)
        self._missing = set(self.frames)

    def take(self, name: Frame, frame: "VideoFrame") -> None:
        """Convert a frame for each sampling that wants it."""
        for sampling, names, found in zip(self._samplings, self._names, self._found, strict=True):
            if name in names:
                found[name] = sampling.convert(frame)
        self._missing.discard(name)

    @property
    def complete(self) -> bool:
        """Whether every frame was found."""
        return not self._missing

    def results(self) -> list[list[T]]:
        """For each sampling its converted frames, in order of time."""
        return [[found[name] for name in wanted] for wanted, found in zip(self._wanted, self._found, strict=True)]


def sample_positions(starts: Sequence[int], end: int, count: int) -> list[int]:
    """Choose the frames shown at the centres of `count` equal segments of a clip.

    Args:
        starts: when each frame is first shown, ascending, in any unit.
        end: when the last one is no longer shown, in the same unit.
        count: how many to choose.

    Returns:
        Positions in `starts`, ascending; repeated when there are fewer frames than segments.

    >>> sample_positions([0, 10, 20, 30], 40, 2)
    [1, 3]
    >>> sample_positions([5], 5, 3)
    [0, 0, 0]
    """
    span = max(end - starts[0], 0)
    times = (starts[0] + (2 * segment + 1) * span // (2 * count) for segment in range(count))
    return [bisect_right(starts, time) - 1 for time in times]

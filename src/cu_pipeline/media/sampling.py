"""Which frames of a clip somebody wants."""

from bisect import bisect_left, bisect_right
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
        gap_s: where given, pairs of frames are wanted instead: those at the centres, each followed by the first that
            begins at least so many seconds later.
    """

    count: int
    convert: "Callable[[VideoFrame], T]"
    gap_s: float | None = None

    def positions(self, starts: Sequence[int], end: int, unit_s: float) -> list[int]:
        """Choose frames of a clip.

        Args:
            starts: when each frame is first shown, ascending, in any unit.
            end: when the last one is no longer shown, in the same unit.
            unit_s: seconds a unit; infinity where it is not known, so that the next frame ends a pair.

        Returns:
            `count` positions in `starts`, ascending; or as many pairs of them, one pair after the other.
        """
        centres = sample_positions(starts, end, self.count)
        if self.gap_s is None:
            return centres
        gap = self.gap_s / unit_s
        return [place for centre in centres for place in pair_positions(starts, centre, gap)]


class Chosen(Generic[Frame, T]):
    """The frames that samplings chose of one clip, and what they made of those that were found.

    Args:
        samplings: what is wanted.
        choose: sampling -> names of the frames, in its order.
    """

    def __init__(self, samplings: Sequence[Sampling[T]], choose: Callable[[Sampling[T]], Sequence[Frame]]) -> None:
        self._samplings = samplings
        self._wanted = [list(choose(sampling)) for sampling in samplings]
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
        """For each sampling its converted frames, in its order."""
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


def pair_positions(starts: Sequence[int], centre: int, gap: float) -> tuple[int, int]:
    """Choose a frame and the first that begins at least `gap` later.

    Near the end of a clip the pair is the last frame and one before it; a clip of one frame gives it twice.

    Args:
        starts: when each frame is first shown, ascending, in any unit.
        centre: position of the frame.
        gap: in the same unit.

    Returns:
        Two positions in `starts`.

    >>> pair_positions([0, 10, 20, 30], 1, 15)
    (1, 3)
    >>> pair_positions([0, 10, 20, 30], 3, 15)
    (1, 3)
    >>> pair_positions([0, 10, 20, 30], 0, 0)
    (0, 1)
    >>> pair_positions([5], 0, 15)
    (0, 0)
    """
    later = bisect_left(starts, starts[centre] + gap, lo=centre + 1)
    if later < len(starts):
        return centre, later
    last = len(starts) - 1
    earlier = bisect_right(starts, starts[last] - gap, hi=last) - 1
    return max(min(centre, earlier), 0), last

from bisect import bisect_right
from collections.abc import Sequence


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

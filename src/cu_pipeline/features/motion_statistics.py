"""What the motion between neighbouring frames comes to, in numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.features.optical_flow import (
    Fields,
    Picture,
    averaged,
    camera_motion,
    dense_flow,
    shared_by,
    smoothed,
    steepness,
)

Numbers = NDArray[np.float32]
"""For each of p pairs of pictures some numbers: (p, some)."""

_MOVING: Final = 0.003
"""Longer sides by which a cell must go between two frames to count as moving; less may be an error of the flow."""

_FASTEST: Final = 4.0
"""Longer sides a second; what flow finds beyond is a cut or a flash."""

_QUANTILES: Final = (0.5, 0.75, 0.9, 0.99)
_DIRECTIONS: Final = 8
_GRID: Final = 3
_BLURS: Final = (1.0, 2.0, 3.0)
"""Deviations in cells: turning and growing are looked for in things of several sizes."""


@dataclass(frozen=True)
class Movement:
    """What moved between the two pictures of each of p pairs.

    Lengths are in longer sides of the picture, to the right and down.

    Attributes:
        camera: motion a second that the whole picture shares, as `camera_motion` gives it; (p, 3, 2).
        own: of each cell, motion a second beyond the camera's; (p, height, width, 2).
        moving: cells with a motion of their own; bool (p, height, width).
        change: of brightness, from -1 to 1; (p, height, width).
    """

    camera: NDArray[np.float32]
    own: Fields
    moving: NDArray[np.bool_]
    change: NDArray[np.float32]

    @property
    def speed(self) -> NDArray[np.float32]:
        """Of each cell: (p, height, width)."""
        return np.asarray(np.hypot(self.own[..., 0], self.own[..., 1]))


def movement(pairs: Sequence[tuple[Picture, Picture]], seconds: NDArray[np.float32]) -> Movement:
    """Measure what moves between pictures of one size.

    Args:
        pairs: p earlier and later pictures.
        seconds: between them; (p).
    """
    side = max(pairs[0][0].shape)
    flow = np.stack([averaged(dense_flow(first, second)) for first, second in pairs])
    before, after = (np.stack([averaged(picture) for picture in moment]) for moment in zip(*pairs, strict=True))
    camera = camera_motion(flow, steepness(before))
    own: Fields = np.asarray((flow - shared_by(camera, *flow.shape[1:3])) / side, dtype=np.float32)
    length = np.hypot(own[..., 0], own[..., 1])
    lasting = seconds[:, None, None]
    own /= (lasting * np.maximum(length / (_FASTEST * lasting), 1))[..., None]
    rates = np.clip(camera / (side * lasting), -_FASTEST, _FASTEST)
    change = (after - before) / np.float32(255)
    return Movement(np.asarray(rates, dtype=np.float32), own, length > _MOVING, change)


def _camera(moved: Movement) -> Numbers:
    shift, gain = moved.camera[:, 0], moved.camera[:, 1:]
    growth, turn = gain[:, 0, 0] + gain[:, 1, 1], gain[:, 0, 1] - gain[:, 1, 0]
    return np.column_stack([shift, np.linalg.norm(shift, axis=1), growth, turn])


def _speed(moved: Movement) -> Numbers:
    speed = moved.speed.reshape(len(moved.speed), -1)
    ranks = [int(share * (speed.shape[1] - 1)) for share in _QUANTILES]
    quantiles = np.partition(speed, ranks, axis=1)[:, ranks]
    return np.column_stack([speed.mean(axis=1), speed.std(axis=1), quantiles, _share(moved.moving)])


def _share(cells: NDArray[np.bool_]) -> Numbers:
    return np.asarray(cells.mean(axis=(1, 2)), dtype=np.float32)


def _mean(moved: Movement) -> Numbers:
    return np.asarray(moved.own.mean(axis=(1, 2)), dtype=np.float32)


def _directions(moved: Movement) -> Numbers:
    """Mean speed by direction: right, right and down, down and so on."""
    return _by_direction(moved, moved.speed * moved.moving)


def _shares(moved: Movement) -> Numbers:
    """Of the moving cells, the share of each direction."""
    few = 0.01
    return _by_direction(moved, moved.moving) / np.maximum(_share(moved.moving), few)[:, None]


def _by_direction(moved: Movement, weights: NDArray[np.generic]) -> Numbers:
    angles = np.arctan2(moved.own[..., 1], moved.own[..., 0]) / (2 * np.pi)
    numbers = np.rint(angles * _DIRECTIONS).astype(np.int64) % _DIRECTIONS
    return np.stack([(weights * (numbers == one)).mean(axis=(1, 2)) for one in range(_DIRECTIONS)], axis=1)


def _grid(moved: Movement) -> Numbers:
    """Mean motion and speed in each ninth of the picture, row by row."""
    seen = np.concatenate([moved.own, moved.speed[..., None]], axis=-1)
    rows = [part.mean(axis=1) for part in np.array_split(seen, _GRID, axis=1)]
    ninths = [part.mean(axis=1) for row in rows for part in np.array_split(row, _GRID, axis=1)]
    return np.concatenate(ninths, axis=1)


def _turning(moved: Movement) -> Numbers:
    """How things turn and grow, a second, looked at through several blurs.

    Over a thing that turns on a still ground curl cancels out: its rim turns the other way. So what counts is the cube,
    and the strongest of either sign.
    """
    found = []
    for blur in _BLURS:
        own = smoothed(moved.own, blur) * np.float32(max(moved.own.shape[1:3]))
        along, down = np.gradient(own, axis=2), np.gradient(own, axis=1)
        for field in (along[..., 1] - down[..., 0], along[..., 0] + down[..., 1]):
            skew = np.cbrt(np.power(field, 3).mean(axis=(1, 2)))
            found += [skew, field.std(axis=(1, 2)), field.max(axis=(1, 2)), -field.min(axis=(1, 2))]
    return np.stack(found, axis=1)


def _change(moved: Movement) -> Numbers:
    change = moved.change
    return np.stack([change.mean(axis=(1, 2)), np.abs(change).mean(axis=(1, 2)), change.std(axis=(1, 2))], axis=1)


class Measure(NamedTuple):
    """A way to put motion into numbers.

    Attributes:
        width: how many numbers a pair.
        of: gives them, (p, width).
    """

    width: int
    of: Callable[[Movement], Numbers]


MEASURES: Final = {
    "camera": Measure(5, _camera),
    "speed": Measure(3 + len(_QUANTILES), _speed),
    "mean": Measure(2, _mean),
    "directions": Measure(_DIRECTIONS, _directions),
    "shares": Measure(_DIRECTIONS, _shares),
    "grid": Measure(3 * _GRID**2, _grid),
    "turning": Measure(8 * len(_BLURS), _turning),
    "change": Measure(3, _change),
}
"""By name, in the order of their numbers."""

WIDTH: Final = sum(measure.width for measure in MEASURES.values())
"""Numbers of all measures together."""


def numbers_of(name: str) -> slice:
    """Where the numbers of a measure stand among all."""
    names = list(MEASURES)
    first = sum(MEASURES[one].width for one in names[: names.index(name)])
    return slice(first, first + MEASURES[name].width)


def statistics(moved: Movement) -> Numbers:
    """All measures side by side: float32 (p, WIDTH)."""
    return np.concatenate([measure.of(moved) for measure in MEASURES.values()], axis=1).astype(np.float32)

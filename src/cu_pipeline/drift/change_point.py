"""Since when a number has been another: change points in what clips show, in the order of time."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST: Final = 8
"""Clips on either side of a change."""

MOST: Final = 4000
"""Clips that are looked at, the latest ones."""

DRAWS: Final = 199


@dataclass(frozen=True)
class ChangePoint:
    """A moment at which a number's mean became another.

    Attributes:
        place: of the first clip after it.
        time: of that clip.
        before: the mean of the piece before it.
        after: the mean of the piece after it.
        p_value: chance of a change as large where there is none.
    """

    place: int
    time: datetime
    before: float
    after: float
    p_value: float


def change_points(
    values: Floats, times: list[datetime], units: npt.NDArray[np.object_], seed: int, alpha: float = 0.01
) -> list[ChangePoint]:
    """Find where the mean of a number changes, by binary segmentation with the CUSUM statistic.

    What one creator's clips have in common is no change of the whole: for the p-value the units take turns in random
    order, the clips of each staying together. Where a unit's clips are spread over the time this asks for more than is
    needed, never for less.

    Source: Scott & Knott, A cluster analysis method for grouping means in the analysis of variance, Biometrics 30,
    1974; Page, Continuous inspection schemes, Biometrika 41, 1954.

    Args:
        values: one a clip, in the order of time, shape (clips,).
        times: of the clips.
        units: of the clips, shape (clips,).
        seed: of the permutations.
        alpha: p-value up to which a change counts.

    Returns:
        In the order of time.
    """
    cut = max(0, len(values) - MOST)
    found: list[tuple[int, float]] = []
    _segment(values[cut:], units[cut:], 0, np.random.default_rng(seed), alpha, found)
    places = sorted(found)
    ends = [0, *(place for place, _ in places), len(values) - cut]
    means = [float(values[cut + first : cut + last].mean()) for first, last in pairwise(ends)]
    return [
        ChangePoint(cut + place, times[cut + place], means[number], means[number + 1], p_value)
        for number, (place, p_value) in enumerate(places)
    ]


def risen_since(
    values: Floats, times: list[datetime], units: npt.NDArray[np.object_], seed: int, alpha: float = 0.01
) -> datetime | None:
    """Since when a number is as high as it is now: the latest rise; None where it is as it always was."""
    rises = [one.time for one in change_points(values, times, units, seed, alpha) if one.after > one.before]
    return rises[-1] if rises else None


def _segment(
    values: Floats,
    units: npt.NDArray[np.object_],
    start: int,
    rng: np.random.Generator,
    alpha: float,
    found: list[tuple[int, float]],
) -> None:
    if len(values) < 2 * LEAST or not values.std():
        return
    observed = _cusum(values[None])[0]
    place = LEAST + int(observed.argmax())
    at_random = _cusum(values[_turns(units, rng)]).max(axis=1)
    p_value = float((1 + np.count_nonzero(at_random >= observed.max() - 1e-12)) / (1 + len(at_random)))
    if p_value > alpha:
        return
    found.append((start + place, p_value))
    _segment(values[:place], units[:place], start, rng, alpha, found)
    _segment(values[place:], units[place:], start + place, rng, alpha, found)


def _cusum(rows: Floats) -> Floats:
    """How far the mean before each place is from that after it, standardised, shape (rows, places)."""
    count = rows.shape[1]
    sizes = np.arange(1, count)
    sums = np.cumsum(rows - rows.mean(axis=1, keepdims=True), axis=1)[:, :-1]
    return np.asarray((np.abs(sums) / np.sqrt(sizes * (count - sizes) / count))[:, LEAST - 1 : count - LEAST])


def _turns(units: npt.NDArray[np.object_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Orders of the clips in which the clips of a unit follow each other, shape (draws, clips)."""
    _, unit = np.unique(units.astype(str), return_inverse=True)
    places = rng.random((DRAWS, unit.max() + 1))[:, unit]
    return np.asarray(np.argsort(places, axis=1, kind="stable"))

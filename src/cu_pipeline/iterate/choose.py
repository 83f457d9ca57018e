"""Which clips that the service saw are worth a label: some at random, to test on, and others for what they teach."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import Split
from cu_pipeline.iterate.options import ChooseOptions
from cu_pipeline.labeling.people.requests import LabelRequest, Purpose

BEYOND: Final = 0.25
"""What the doubt about a clip counts outside the drifted region, against 1 inside."""

LEARNABLE: Final = (Split.TRAIN, Split.VALIDATION)
"""Splits of clips that models learn from."""

_MOST: Final = 3000
"""Candidates that are compared with one another."""


@dataclass(frozen=True)
class Candidates:
    """Clips that the service saw and no person has labelled.

    Attributes:
        table: n rows with `clip_id`, `unit` (who made it, with near-duplicates), `split`, `known` (whether the data
            have clips of its unit), `uncertainty` (0 to 1), `drifted` (whether it is in the drifted region) and
            `answered` (the share of capabilities about which rules answer).
        vectors: (n, width): what they look and read like, each of length 1 or 0.
    """

    table: pd.DataFrame
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.table)


def choose(
    found: Candidates,
    number: int,
    iteration: str,
    options: ChooseOptions,
    audited: int = 0,
    *,
    cross_fitted: bool = False,
) -> list[LabelRequest]:
    """Choose clips under a budget.

    A share is drawn at random to test on. These are a sample of what the service sees, whatever made the others
    interesting, so that a challenger is tested fairly. The others come from the clips that can be learned from:
    some at random, the rest by drifted region times uncertainty times distance from what is chosen already, times the
    share of capabilities about which no rule answers. Of one creator no more than `per_unit` are taken.

    Args:
        found: what can be chosen from; clips of no split are left out.
        number: of clips, at most.
        iteration: that asks; another one draws others.
        options: the shares.
        audited: test clips that an audit has drawn already, beside `number`; they count among the share that is tested.
        cross_fitted: whether models can be tested on clips that they learn from, see `random_tests`.
    """
    table, number = found.table.reset_index(drop=True), min(number, len(found))
    units = table["unit"].tolist()
    lacking = max(round((number + audited) * options.test_share) - audited, 0)
    tested = random_tests(found, min(lacking, number), iteration, options, cross_fitted=cross_fitted)
    mine, learnable = table["clip_id"].isin([one.clip_id for one in tested]), table["split"].isin(LEARNABLE)
    others = _in_random_order(table, iteration, learnable & ~mine)
    rest = number - len(tested)
    taken = Counter(table["unit"][mine])
    drawn = list(_capped(others, units, options.per_unit, taken, round(rest * options.random_share)))
    pool = [place for place in others if place not in set(drawn)][:_MOST]
    learned = [*np.flatnonzero(mine & learnable).tolist(), *drawn]
    valued = _by_value(Candidates(table, found.vectors), pool, learned, rest - len(drawn), taken, options.per_unit)
    purposes = [(drawn, Purpose.RANDOM), (valued, Purpose.VALUE)]
    return tested + [
        LabelRequest(iteration, table["clip_id"][place], purpose) for places, purpose in purposes for place in places
    ]


def random_tests(
    found: Candidates, number: int, iteration: str, options: ChooseOptions, *, cross_fitted: bool
) -> list[LabelRequest]:
    """Draw clips at random to test on, of one creator no more than `per_unit`; for the other arguments see `choose`.

    Args:
        found: what can be chosen from.
        number: of clips, at most.
        iteration: that asks.
        options: the shares.
        cross_fitted: whether a model tells what models that have not seen a clip's unit say of each clip that it learns
            from. Then a clip of training may test it, too, if the data have nothing of its unit yet, so that the
            champion has not seen it either. Else only test clips can.
    """
    table = found.table.reset_index(drop=True)
    usable = table["split"] == Split.TEST
    if cross_fitted:
        usable |= table["split"].isin(LEARNABLE) & ~table["known"].astype(bool)
    tests = _in_random_order(table, iteration, usable)
    places = _capped(tests, table["unit"].tolist(), options.per_unit, Counter(), number)
    return [LabelRequest(iteration, table["clip_id"][place], Purpose.TEST) for place in places]


def _in_random_order(table: pd.DataFrame, iteration: str, usable: "pd.Series[bool]") -> list[int]:
    """Positions of the clips that can be used, in an order that is another one for each iteration."""
    draw = table["clip_id"].map(lambda name: unit_interval(f"iteration/{iteration}/{name}"))
    found: list[int] = draw[usable].sort_values().index.tolist()
    return found


def _capped(
    places: list[int], units: list[str], most: int, taken: Counter[str], number: int | None = None
) -> Iterator[int]:
    """Give places in order, of no unit more than `most`, and count them in `taken`."""
    given = 0
    for place in places:
        if number is not None and given >= number:
            return
        if taken[units[place]] < most:
            taken[units[place]] += 1
            given += 1
            yield place


def _by_value(
    found: Candidates, pool: list[int], learned: list[int], number: int, taken: Counter[str], per_unit: int
) -> list[int]:
    """Choose one after the other the clip with the largest product of doubt and distance from all learned ones."""
    if not pool or number <= 0:
        return []
    table, units = found.table, found.table["unit"].tolist()
    vectors = found.vectors[pool].astype(np.float64)
    region = np.where(table["drifted"].to_numpy(dtype=bool)[pool], 1.0, BEYOND)
    worth = region * table["uncertainty"].to_numpy(dtype=np.float64)[pool]
    worth *= 1 - table["answered"].to_numpy(dtype=np.float64)[pool]
    distance = np.full(len(pool), 2.0)
    for place in learned:
        distance = np.minimum(distance, _distances(vectors, found.vectors[place]))
    open_ = np.array([taken[units[place]] < per_unit for place in pool])
    chosen: list[int] = []
    while len(chosen) < number and open_.any():
        best = int(np.argmax(np.where(open_, worth * distance, -1.0)))
        place = pool[best]
        chosen.append(place)
        open_[best] = False
        taken[units[place]] += 1
        if taken[units[place]] >= per_unit:
            open_ &= np.array([units[other] != units[place] for other in pool])
        distance = np.minimum(distance, _distances(vectors, vectors[best]))
    return chosen


def _distances(vectors: NDArray[np.float64], one: NDArray[np.floating]) -> NDArray[np.float64]:
    """Cosine distances, 0 to 2; 1 from a clip of which nothing is known."""
    found: NDArray[np.float64] = 1.0 - vectors @ one.astype(np.float64)
    return found

"""A month of iterations with cheap models, one a day, by the rules of the product's own gate.

Clips come in units of 1 to about 12 (geometric, mean 2.5). Each day brings fresh clips of new creators. Three in ten of
these belong to the test split; what is trained learns from the others, and models without their units answer for it.
There are 100 test clips from before. A model is how often it is right: a clip is easy or not for all, and in part of
the clips each goes its own way, so that two of 80 % differ in a fifth of their answers. What happens to a clip happens
to its whole unit with such a chance that two clips of a unit correlate by the ICC.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.account import level
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.fresh_clips import Strata
from cu_pipeline.evaluation.gate_options import GateOptions
from cu_pipeline.evaluation.margin import Margin
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.evaluation.paired_test import PairedGain

DAYS = 30
ALPHA = 0.05
ACCURACY = 0.8
BASE = 100
TESTED = 0.3
ICC = 0.2
_REDRAWN = 1 - np.sqrt(1 - 0.2 / (2 * ACCURACY * (1 - ACCURACY)))

Right = NDArray[np.bool_]


def sizes_of(random: np.random.Generator, clips: int) -> NDArray[np.int64]:
    """Sizes of units that make `clips` together."""
    kept = np.diff(np.minimum(random.geometric(0.4, clips).cumsum(), clips), prepend=0)
    return kept[kept > 0]


@dataclass(frozen=True)
class Clips:
    """All clips of a month, in the order of their days and units.

    Attributes:
        sizes: clips of each unit.
        day: of each unit, on which it was drawn; 0: before.
        tested: of each unit, whether no model ever learns from it.
    """

    sizes: NDArray[np.int64]
    day: NDArray[np.int64]
    tested: Right

    @classmethod
    def of(cls, random: np.random.Generator, fresh: int, base: int = BASE) -> "Clips":
        """Draw units of `base` test clips from before, and of `fresh` clips a day."""
        sizes = [sizes_of(random, number) for number in (base, *[fresh] * DAYS)]
        every, day = np.concatenate(sizes), np.repeat(np.arange(DAYS + 1), [len(one) for one in sizes])
        return cls(every, day, (day == 0) | (random.random(len(every)) < TESTED))

    @property
    def unit(self) -> NDArray[np.int64]:
        """Of each clip."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def alike(self, random: np.random.Generator) -> NDArray[np.float64]:
        """Uniform draws for clips, of which two of a unit are one and the same with the chance ICC."""
        copied = random.random(self.sizes.sum()) < np.sqrt(ICC)
        return np.where(copied, random.random(len(self.sizes))[self.unit], random.random(len(copied)))


@dataclass(frozen=True)
class Ruling:
    """What the gate would say of a challenger.

    Attributes:
        promoted: whether it takes the champion's place.
        better: whether it is shown to be better.
        level: of the test.
        p_value: of it; 1 where it is certain to be over the level.
        gain: on all clips.
        parts: the same on fresh clips and on the others; None: they are not told apart.
        shortfall: of the challenger, if it is promoted.
    """

    promoted: bool
    better: bool
    level: float
    p_value: float
    gain: PairedGain
    parts: Strata | None
    shortfall: float


@dataclass
class Gate:
    """`gate.decide` for units whose clips are of one day, without its words; that both agree is tested.

    Attributes:
        clips: of the month.
        champion: which clips it answers right.
        alpha: of one set of test clips.
        margin: `non_inferiority_margin`, for challengers that are `newer`.
        plain: whether challengers are tested by test clips alone, fresh ones and others together.
    """

    clips: Clips
    champion: Right
    alpha: float = ALPHA
    margin: float = 0.0
    plain: bool = False
    learned: int = 0
    shortfall: float = 0.0
    uses: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.uses = np.zeros(len(self.clips.sizes))
        self.starts = np.r_[0, self.clips.sizes.cumsum()[:-1]]

    def usable(self, day: int) -> NDArray[np.int64]:
        """Units of clips that neither model has learned from, but for what cross-fitting answers for."""
        learnable = (self.clips.day > self.learned) & (not self.plain)
        return np.flatnonzero((self.clips.day <= day) & (self.clips.tested | learnable))

    def rule(self, day: int, right: Right) -> Ruling:
        """Test a challenger by what it answers right, and pay for that."""
        rows = self.usable(day)
        sums = np.add.reduceat(right.astype(float) - self.champion, self.starts)[rows]
        sizes, fresh = self.clips.sizes[rows], self.clips.day[rows] == day
        gain = PairedGain(sums, sizes)
        levels = [level(float(np.average(self.uses[rows], weights=sizes)), self.alpha)]
        parts = None
        if not self.plain and fresh.sum() >= 5:
            levels.append(level(float(np.average(self.uses[rows][fresh], weights=sizes[fresh])), self.alpha))
            parts = Strata(PairedGain(sums[fresh], sizes[fresh]), PairedGain(sums[~fresh], sizes[~fresh]), fresh)
        self.uses[rows] += 1
        most = max(levels)
        p_value = gain.p_value() if parts is None else _p_value(gain, parts, levels)
        left, better = Margin(self.margin, self.shortfall), p_value <= most
        promoted = (better or left.allows(gain, most)) and not any(parts.faults(0.05) if parts else [])
        after = left.after(gain, most, better=better) if promoted else self.shortfall
        return Ruling(promoted, better, most, p_value, gain, parts, after)

    def promote(self, day: int, right: Right, ruled: Ruling) -> None:
        """Let a challenger serve, that learned from all clips until a day."""
        self.champion, self.learned, self.shortfall = right, day, ruled.shortfall

    def contest(self, day: int, right: Right, names: tuple[str, str], **others: Any) -> Contest:
        """The same challenger and champion as the product's gate is asked about them."""
        rows = np.flatnonzero(np.isin(self.clips.unit, self.usable(day)))
        units = self.clips.unit[rows]
        table = pd.DataFrame({"group": units.astype(str), "lang": "", "metadata": "{}"})
        keys, fresh = tuple(f"k{row}" for row in rows), self.clips.day[units] == day
        asked = (scored(right[rows]), scored(self.champion[rows]))
        return Contest("topic", *names, table, rows, keys, np.ones(2) / 2, *asked, fresh=fresh, newer=True, **others)


def _p_value(gain: PairedGain, parts: Strata, levels: list[float]) -> float:
    """Of the better of two tests; random signs are drawn only where they decide, since they change at most twofold."""
    most = max(levels)
    prices = (most / levels[0], most / levels[1])
    least = min(prices[0] * gain.p_value(), prices[1] * parts.fresh.p_value())
    if least > most:
        return 1.0
    return least if 2 * least <= most else parts.p_value(gain, prices)


def scored(right: Right) -> ScoredClips:
    """Answers about clips that are all of the first class."""
    said = np.where(right[:, np.newaxis], [0.8, 0.2], [0.2, 0.8])
    return ScoredClips(Kind.SINGLE, np.tile([True, False], (len(right), 1)), said, said > 0.5)


OPTIONS = GateOptions(calibration_bound=None)


@dataclass
class Models:
    """Draws models that are right as often as is asked."""

    clips: Clips
    random: np.random.Generator

    def __post_init__(self) -> None:
        self._easy = self.clips.alike(self.random) < ACCURACY

    def draw(self, accuracy: Any) -> Right:
        """Which clips a model gets right: `accuracy` of all, or what is told of each clip; 0.49 to 0.87."""
        own = (accuracy - (1 - _REDRAWN) * ACCURACY) / _REDRAWN
        redrawn = self.clips.alike(self.random) < _REDRAWN
        return np.where(redrawn, self.clips.alike(self.random) < own, self._easy)


Gain = Callable[[np.random.Generator], float]


def month(seed: list[int], fresh: int, draw: Gain, margin: float = 0.0) -> NDArray[np.float64]:
    """Bring a challenger before the gate each day.

    Args:
        seed: of everything.
        fresh: clips of a day.
        draw: a challenger's true gain over the champion of the day.
        margin: `non_inferiority_margin`.

    Returns:
        (days, 3): whether the challenger was promoted, what it truly gained, the true accuracy of what serves then.
    """
    random = np.random.default_rng([*seed, fresh])
    clips = Clips.of(random, fresh)
    models, serves = Models(clips, random), ACCURACY
    gate, days = Gate(clips, models.draw(serves), margin=margin), np.empty((DAYS, 3))
    for day in range(1, DAYS + 1):
        accuracy = float(np.clip(serves + draw(random), 0.5, 0.87))
        right = models.draw(accuracy)
        ruled = gate.rule(day, right)
        days[day - 1, :2] = ruled.promoted, accuracy - serves
        if ruled.promoted:
            gate.promote(day, right, ruled)
            serves = accuracy
        days[day - 1, 2] = serves
    return days


def months(number: int, fresh: int, draw: Gain, margin: float = 0.0) -> NDArray[np.float64]:
    """Several months, (number, days, 3), see `month`."""
    return np.stack([month([run], fresh, draw, margin) for run in range(number)])

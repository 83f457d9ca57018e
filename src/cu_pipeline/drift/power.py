"""How many clips it takes to find what, by the tests' own precision on the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from cu_pipeline.drift.asking import Asked
from cu_pipeline.drift.clip_tests import DriftTest
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.unit_statistics import LEAST_LIKENESS

POWER: Final = 0.9
MOST: Final = 1_000_000


@dataclass(frozen=True)
class Needed:
    """How many clips of the service it takes to find a change in nine of ten looks.

    Attributes:
        question: such as "a new topic at 10 %".
        clips: distinct ones; None where no number is enough, as the reference is too small.
    """

    question: str
    clips: int | None


@dataclass(frozen=True)
class _Change:
    """A change that is asked about: which tests would show it, from what share to what share."""

    question: str
    prefix: str
    before: Callable[[DriftTest, int], float]
    after: Callable[[float], float]


def _share(test: DriftTest, reference: int) -> float:
    return float(test.scores[:reference, 0].mean())


def _commonest(test: DriftTest, reference: int) -> float:
    shares = test.scores if test.measured is None else test.measured
    return float(shares[:reference].mean(axis=0).max(initial=0.0))


_CHANGES: Final = (
    _Change("a new topic at 10 %", "novelty_", _share, lambda share: share + 0.1 * (1 - share)),
    _Change("a new style in 25 %", "novelty_", _share, lambda share: share + 0.25 * (1 - share) * 0.5),
    _Change("a class at 10 points more", "label_", _commonest, lambda share: share + 0.1),
    _Change("captions missing in 10 %", "missing_caption", _share, lambda share: share + 0.1 * (1 - share)),
)


def needed_clips(asked: Sequence[Asked], options: DriftOptions) -> list[Needed]:
    """How many clips it takes to find some changes at the level of a planned look, by normal approximation.

    A clip of a new topic is taken to be far from the reference, and every second one of a new style. Of each kind of
    test the one that needs the fewest clips counts.

    Args:
        asked: tests with their clips.
        options: levels.
    """
    looks = options.looks
    level = options.alpha * (1 - looks.extra) * min(1.0, looks.every_days / looks.horizon_days)
    sure = NormalDist().inv_cdf(1 - level / max(1, len(asked)) / 2) + NormalDist().inv_cdf(POWER)
    found = []
    for change in _CHANGES:
        sizes = [_clips(change, one, sure) for one in asked if one.test.name.startswith(change.prefix)]
        if sizes:
            known = [size for size in sizes if size is not None]
            found.append(Needed(change.question, min(known) if known else None))
    return found


def _clips(change: _Change, asked: Asked, sure: float) -> int | None:
    """Solve for n: (difference / sure)² = variance · (inflation / n + 1 / independent clips of the reference)."""
    test, design, statistic = asked.test, asked.design, asked.statistic
    reference = int((~design.current).sum())
    share = change.before(test, reference)
    after = min(1.0, change.after(share))
    likeness = 0.0 if statistic.constant else max(LEAST_LIKENESS, statistic.likeness)
    counts = design.counts.astype(np.float64)
    independent = counts / (1 + np.maximum(counts - 1, 0) * likeness)
    of_clips = counts[:, 1].sum() / max(independent[:, 1].sum(), 1.0)
    ours, theirs = after * (1 - after), share * (1 - share)
    room = ((after - share) / sure) ** 2 - theirs / max(independent[:, 0].sum(), 1.0)
    if room <= 0:
        return None
    clips = int(np.ceil(ours * of_clips / room))
    return _rounded(clips) if clips <= MOST else None


def _rounded(clips: int) -> int:
    """Two figures are as sure as this is, rounded up.

    >>> _rounded(8_734), _rounded(41)
    (8800, 50)
    """
    unit = 10 ** max(1, len(str(clips)) - 2)
    return -(-clips // unit) * unit

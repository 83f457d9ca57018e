"""Differences of clips that come by units (creators): their statistics, and what chance alone does to them.

A unit counts as one, however many clips it has. Units that only one side has tell of the difference *between* units:
where nothing has changed, which of them are the current ones is chance. Units that both sides have tell of the
difference *within* units: the clips of the side that has more of them are cut, in their order, into blocks as long as
the other side's, and where nothing has changed, which block is that of the other side is chance. (With two blocks that
is the sign of the unit's difference. Signs alone would not do where one side has more clips: a rare event that none of
a few clips has is no evidence, though all units would point the same way.) Both differences are joined to one, divided
by its own standard error, so that it holds where one side's units have more clips than the other's, and compared with
what it is after other units were called current and other blocks were drawn.

Sources: Chung & Romano, Exact and asymptotically robust permutation tests, Ann. Stat. 41, 2013; Phipson & Smyth,
Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9, 2010.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.unit_design import Draw, Floats, UnitDesign

Combine: TypeAlias = Literal["largest", "quadratic"]
"""How the columns of a question become one number: the largest |z|, or a quadratic form of all of them."""

LEAST_LIKENESS: Final = 0.05
"""Of clips of one unit, at least: so no unit counts for more than 20 independent clips."""

_STEADY: Final = 50.0
"""A covariance of so many units counts half: the other half is what it would be, were all units alike."""

_LEAST_RIDGE: Final = 0.1


class UnitStatistic:
    """The difference of two sides in some scores of clips.

    Args:
        design: of the clips.
        scores: made without regard to side, shape (clips, columns). Columns in which all clips are alike have the
            difference 0 and decide nothing; where all are, there is nothing but `constant`.
        combine: how columns become one number.
        margin: differences of a column up to this size, in its own units, are nothing; for `largest`.
    """

    def __init__(
        self, design: UnitDesign, scores: npt.NDArray[np.floating], combine: Combine, margin: float = 0.0
    ) -> None:
        values = scores.astype(np.float64)
        self._design, self._combine = design, combine
        self._varies = np.ptp(values, axis=0) > 1e-9 * np.maximum(np.abs(values).max(axis=0), 1e-30)
        self._columns = len(self._varies)
        values = values[:, self._varies]
        self._centre, self._spread = values.mean(axis=0), values.std(axis=0)
        self._likeness, self._margin = 0.0, margin
        if not self.constant:
            self._prepare((values - self._centre) / self._spread)

    @property
    def constant(self) -> bool:
        """Whether all clips are alike."""
        return not self._varies.any()

    @property
    def likeness(self) -> float:
        """The intraclass correlation of clips of one unit, 0 to 1, mean of all columns."""
        return self._likeness

    def observed(self) -> float:
        """The statistic as the clips are, of differences less the margin."""
        return float(self._of(*self._moments(self._design.as_it_is()), self._margin / self._spread)[0])

    def difference(self) -> Floats:
        """How much larger scores are now, in their own units, shape (columns,)."""
        return np.asarray(self._back(self._moments(self._design.as_it_is())[0])[0])

    def standard_errors(self) -> Floats:
        """Of `difference`, shape (columns,)."""
        spread = self._moments(self._design.as_it_is())[1]
        return np.asarray(self._back(np.sqrt(self._diagonal(spread)))[0])

    def resampled(self, number: int, rng: np.random.Generator) -> Floats:
        """The difference after units were drawn with replacement, (number, columns)."""
        apart, now = self._weights, self._design.now
        times = rng.poisson(1.0, (number, len(apart))).astype(np.float64) * apart
        sides = [times * side for side in (~now, now)]
        between = self._ratio(sides[1], self._residuals) - self._ratio(sides[0], self._residuals)
        drawn = rng.poisson(1.0, (number, len(self._halves))) * self._halves
        within = self._ratio(drawn, self._within)
        return self._back(self._share * between + (1 - self._share) * within)

    def __call__(self, draw: Draw) -> Floats:
        """The statistic of each draw, shape (draws,)."""
        return self._of(*self._moments(draw), np.zeros_like(self._spread))

    def _of(self, found: Floats, spread: Floats, margins: Floats) -> Floats:
        if self._combine == "largest":
            beyond = np.maximum(np.abs(found) - margins, 0)
            return np.asarray((beyond / np.sqrt(self._diagonal(spread))).max(axis=1))
        return np.asarray(np.einsum("pk,pk->p", found, np.linalg.solve(spread, found[:, :, None])[:, :, 0]))

    def _prepare(self, values: Floats) -> None:
        """Sum up the scores by unit and side."""
        design, columns = self._design, values.shape[1]
        cell = 2 * design.unit + design.current
        sums = np.stack([np.bincount(cell, column, 2 * len(design.counts)) for column in values.T], axis=1)
        sums = sums.reshape(-1, 2, columns)
        self._likeness = _likeness(values, sums.sum(axis=1), design.counts.sum(axis=1))
        alike = max(LEAST_LIKENESS, self._likeness)
        sizes = design.counts / (1 + np.maximum(design.counts - 1, 0) * alike)
        means = sums / np.maximum(design.counts, 1)[:, :, None]
        apart, known = design.apart, design.known
        self._weights = sizes[apart].sum(axis=1)
        mean = means[apart].sum(axis=1)
        self._residuals = mean - self._ratio(self._weights[None], mean)
        self._halves = 1 / (1 / sizes[known]).sum(axis=1)
        self._within = means[known, 1] - means[known, 0]
        self._by_block = self._block_differences(values, sums[known].sum(axis=1))
        now, units = int(design.now.sum()), int(apart.sum())
        of_between = (1 / now + 1 / (units - now)) / self._weights.mean() if units else np.inf
        of_within = 1 / self._halves.sum() if known.any() else np.inf
        self._share = of_within / (of_between + of_within) if np.isfinite(of_within) and units else float(units > 0)
        told = min(now, units - now) if units else int(known.sum())
        self._ridge = max(_LEAST_RIDGE, _STEADY / (_STEADY + told))

    def _block_differences(self, values: Floats, sums: Floats) -> Floats:
        """The difference of each known unit if a block were the smaller side, shape (blocks, columns)."""
        blocks = self._design.blocks
        inside, number = blocks.of_clip >= 0, int(blocks.numbers.sum())
        sizes = np.bincount(blocks.of_clip[inside], minlength=number)[:, None]
        own = np.stack([np.bincount(blocks.of_clip[inside], one, number) for one in values[inside].T], axis=1)
        rest = np.bincount(blocks.unit, sizes[:, 0], len(blocks.starts))[blocks.unit][:, None] - sizes
        others = (sums[blocks.unit] - own) / np.maximum(rest, 1)
        return np.asarray((own / np.maximum(sizes, 1) - others) * blocks.signs[blocks.unit][:, None])

    def _moments(self, draw: Draw) -> tuple[Floats, Floats]:
        """Differences, (draws, columns), and their variances, (draws, columns), or covariances for the quadratic."""
        found = np.zeros((len(draw.units), self._residuals.shape[1]))
        variance, typical = np.zeros((len(draw.units), len(self._pairs[0]))), np.zeros((len(draw.units), 1))
        if self._share > 0:
            sums = draw.units.astype(np.float32) @ self._of_units
            for side, sign in ((sums, 1), (self._of_units.sum(axis=0) - sums, -1)):
                mean, spread = self._summed(side.astype(np.float64))
                found += sign * self._share * mean
                variance += self._share**2 * spread
                typical += self._share**2 / side[:, 1:2]
        if self._share < 1:
            mean, spread = self._summed((draw.blocks.astype(np.float32) @ self._of_blocks).astype(np.float64))
            found += (1 - self._share) * mean
            variance += (1 - self._share) ** 2 * spread
            typical += (1 - self._share) ** 2 / self._halves.sum()
        return found, self._shrunk(variance, typical)

    def _shrunk(self, variance: Floats, typical: Floats) -> Floats:
        """Draw variances of few units towards what they are where all units of a size vary alike."""
        first, second = self._pairs
        shrunk = (1 - self._ridge) * variance + self._ridge * typical * (first == second)
        if self._combine == "largest":
            return shrunk
        whole = np.zeros((len(variance), self._residuals.shape[1], self._residuals.shape[1]))
        whole[:, first, second] = whole[:, second, first] = shrunk
        return whole

    @cached_property
    def _pairs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The columns whose covariances are needed."""
        columns = self._residuals.shape[1]
        if self._combine == "largest":
            return np.arange(columns), np.arange(columns)
        first, second = np.triu_indices(columns)
        return first.astype(np.int64), second.astype(np.int64)

    @cached_property
    def _of_units(self) -> npt.NDArray[np.float32]:
        return self._powers(self._weights, self._residuals)

    @cached_property
    def _of_blocks(self) -> npt.NDArray[np.float32]:
        return self._powers(self._halves[self._design.blocks.unit], self._by_block)

    def _powers(self, weights: Floats, values: Floats) -> npt.NDArray[np.float32]:
        """What weighted means and their variances are sums of, a row for each unit or block."""
        first, second = self._pairs
        weight, squared = weights[:, None], weights[:, None] ** 2
        products = squared * values[:, first] * values[:, second]
        one = np.ones_like(weight)
        return np.hstack([one, weight, squared, weight * values, squared * values, products]).astype(np.float32)

    def _summed(self, sums: Floats) -> tuple[Floats, Floats]:
        """The weighted mean of some units, (draws, columns), and its variance by pairs of columns, (draws, pairs)."""
        first, second = self._pairs
        columns = self._residuals.shape[1]
        units, weight, squared = sums[:, :1], sums[:, 1:2], sums[:, 2:3]
        mean, mixed = sums[:, 3 : 3 + columns] / weight, sums[:, 3 + columns : 3 + 2 * columns]
        about = sums[:, 3 + 2 * columns :] - mean[:, first] * mixed[:, second] - mixed[:, first] * mean[:, second]
        about += mean[:, first] * mean[:, second] * squared
        return mean, about / weight**2 * (units / np.maximum(units - 1, 1))

    @staticmethod
    def _diagonal(spread: Floats) -> Floats:
        return np.asarray(np.einsum("pkk->pk", spread)) if spread.ndim == 3 else spread

    @staticmethod
    def _ratio(weights: Floats, values: Floats) -> Floats:
        """Weighted means, (draws, columns); 0 where nothing has weight."""
        return np.asarray(weights @ values / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12))

    def _back(self, standardised: Floats) -> Floats:
        whole = np.zeros((len(standardised), self._columns))
        whole[:, self._varies] = standardised * self._spread
        return whole


def p_values(
    design: UnitDesign, statistics: Sequence[UnitStatistic], permutations: int, rng: np.random.Generator
) -> list[float]:
    """The p-values of statistics of the same clips, on the same draws; the observed one counts among them."""
    observed = [one.observed() for one in statistics]
    reached = np.zeros(len(statistics), dtype=np.int64)
    for draw in design.draws(permutations, rng):
        for place, (one, value) in enumerate(zip(statistics, observed, strict=True)):
            reached[place] += np.count_nonzero(one(draw) >= value * (1 - 1e-5) - 1e-9)
    return [float((1 + count) / (1 + permutations)) for count in reached]


def _likeness(values: Floats, sums: Floats, counts: npt.NDArray[np.int64]) -> float:
    """The intraclass correlation by analysis of variance, of standardised columns, mean of all; 0 to 1."""
    n, units = len(values), len(counts)
    if n <= units or units < 2:
        return 0.0
    between = (sums**2 / counts[:, None]).sum(axis=0)
    within = np.maximum((values**2).sum(axis=0) - between, 0) / (n - units)
    size = (n - (counts.astype(np.float64) ** 2).sum() / n) / (units - 1)
    of_units = np.maximum(between / (units - 1) - within, 0) / size
    total = (of_units + within).sum()
    return float(of_units.sum() / total) if total > 0 else 0.0

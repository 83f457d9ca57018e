"""Simulate rollouts: how often a challenger is rolled back or promoted, by feedback and by creators.

    python benchmarks/rollouts.py [docs/images/rollouts.png]

prints the tables of docs/rollouts.md, and draws the figure. Requests come from creators at random. On a share of them
somebody says what is right. Champion and challenger differ in who is right on 20 % of the clips; with a probability of
sqrt(1/2) a clip is like its creator, so that two clips of one creator have an intraclass correlation of 0.5.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.rollout.betting import Watch, log_wealth
from cu_pipeline.rollout.evidence import HALF
from cu_pipeline.rollout.judgement import needed
from cu_pipeline.rollout.plan import Limits

SEED, RUNS, REQUESTS = 35, 200, 2000
DISCORDANT, ICC = 0.2, 0.5

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Traffic:
    """What requests are like.

    Attributes:
        creators: that send them, each as often as the other.
        feedback: share of requests that somebody says the right label of.
        gain: the challenger's share of right answers, less the champion's.
        requests: a rollout has.
        slower: share of answers in which the challenger takes longer than the limit.
    """

    creators: int
    feedback: float
    gain: float
    requests: int = REQUESTS
    slower: float = 0.3

    def values(self, random: np.random.Generator) -> tuple[Counts, Counts]:
        """Draw the creators of requests with feedback, and who was right: 1 the challenger alone, -1 the champion."""
        up, n = (DISCORDANT + self.gain) / 2, int(self.requests * self.feedback)

        def draw(size: int) -> Counts:
            place = random.random(size)
            return np.where(place < up, 1, np.where(place < DISCORDANT, -1, 0))

        creators = random.integers(0, self.creators, n)
        like = random.random(n) < np.sqrt(ICC)
        return creators, np.where(like, draw(self.creators)[creators], draw(n))

    def counts(self, random: np.random.Generator) -> Counts:
        """Draw the tally after each request with feedback, (n, 3): a creator counts once."""
        creators, values = self.values(random)
        first = np.zeros(len(creators), dtype=bool)
        first[np.unique(creators, return_index=True)[1]] = True
        return np.cumsum(first[:, None] * (values[:, None] == [-1, 0, 1]), axis=0)


@dataclass(frozen=True)
class Outcomes:
    """Of many rollouts.

    Attributes:
        rolled_back: request at which each was rolled back; inf: it was not, or promoted before.
        promoted: likewise.
    """

    rolled_back: NDArray[np.float64]
    promoted: NDArray[np.float64]

    @property
    def shares(self) -> tuple[float, float]:
        """Of all rollouts: rolled back, promoted."""
        return float(np.isfinite(self.rolled_back).mean()), float(np.isfinite(self.promoted).mean())


def simulate(
    traffic: Traffic, limits: Limits, random: np.random.Generator, runs: int = RUNS, every: int = 1
) -> Outcomes:
    """Run rollouts whose evidence is looked at after every request with feedback, or after every so many of them."""
    counts = np.stack([traffic.counts(random)[every - 1 :: every] for _ in range(runs)])
    at = every * (1 + np.arange(counts.shape[1])) / traffic.feedback
    counted = counts.sum(axis=2) >= limits.units
    worse = _first(counted & (log_wealth(counts[..., ::-1], 0.0) >= needed(limits, "worse")), at)
    least = -limits.margin if limits.goal == "not_worse" else 0.0
    better = _first(counted & (log_wealth(counts, least) >= needed(limits, "better")), at)
    watch = Watch(HALF, 0.0, runs)
    slow = np.stack([watch.add(one) for one in random.random(counts.shape[1::-1]) < traffic.slower], axis=1)
    slower = _first(slow >= needed(limits, "latency"), at)
    back = np.minimum(worse, slower)
    return Outcomes(np.where(back <= better, back, np.inf), np.where(better < back, better, np.inf))


def _first(decides: NDArray[np.bool_], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(decides.any(axis=1), at[decides.argmax(axis=1)], np.inf)


def main() -> None:
    """Print the tables and draw the figure."""
    limits, random = Limits(), np.random.default_rng(SEED)
    columns = (
        "creators",
        "feedback on",
        "10 worse: rolled back",
        "equal: rolled back / promoted",
        "10 better: promoted",
    )
    print(f"| {' | '.join(columns)} |")
    print("|---|---|---|---|---|")
    power: dict[int, list[float]] = {}
    shares = (0.05, 0.1, 0.25, 0.5, 1.0)
    for creators in (200, 500, 2000):
        for feedback in shares:
            worse, same, better = (
                simulate(Traffic(creators, feedback, gain), limits, random) for gain in (-0.1, 0.0, 0.1)
            )
            power.setdefault(creators, []).append(worse.shares[0])
            print(
                f"| {creators:,} | {feedback:.0%} | {worse.shares[0]:.1%} | "
                f"{same.shares[0]:.1%} / {same.shares[1]:.1%} | {better.shares[1]:.1%} |"
            )
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]), shares, power)


def draw(path: Path, shares: tuple[float, ...], power: dict[int, list[float]]) -> None:
    """Write the picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), dpi=110)
    random = np.random.default_rng(SEED)
    limits = Limits()
    at = np.arange(1, int(REQUESTS * 0.25) + 1) / 0.25
    for gain, color, name in (
        (-0.1, "#b3261e", "10 points worse"),
        (0.0, "#555555", "equal"),
        (0.1, "#2e7d32", "better"),
    ):
        counts = np.stack([Traffic(2000, 0.25, gain).counts(random) for _ in range(20)])
        wealth = np.log10(np.exp(1)) * log_wealth(counts[..., ::-1], 0.0)
        left.plot(at, wealth.T, color=color, linewidth=0.6, alpha=0.5)
        left.plot([], [], color=color, label=name)
    left.axhline(needed(limits, "worse") * np.log10(np.exp(1)), color="black", linewidth=1, linestyle="--")
    left.set(xlabel="requests, feedback on 25 %", ylabel="odds of 'worse', power of ten", ylim=(-3, 5))
    left.legend(fontsize=8, frameon=False, loc="upper left")
    for (creators, found), style in zip(power.items(), ("o-", "s-", "^-"), strict=True):
        right.plot(shares, found, style, label=f"{creators:,} creators", markersize=4)
    right.axhline(0.95, color="black", linewidth=1, linestyle="--")
    right.set(xlabel="share of requests with feedback", ylabel="rolled back within 2,000 requests", ylim=(0, 1.02))
    right.legend(fontsize=8, frameon=False, loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": ""})


if __name__ == "__main__":
    main()

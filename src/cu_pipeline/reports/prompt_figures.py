from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cu_pipeline.reports.figures import ACCENT, GREY, LINE, canvas
from cu_pipeline.reports.templating import money

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pareto(trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Give the trials that no other one beats in both accuracy and cost, the cheapest first.

    >>> rows = [{"accuracy": a, "usd_per_1000_clips": c} for a, c in [(0.5, 1), (0.4, 2), (0.9, 3)]]
    >>> [row["accuracy"] for row in pareto(rows)]
    [0.5, 0.9]
    """
    best, front = -1.0, []
    for row in sorted(trials, key=lambda row: (row["usd_per_1000_clips"], -row["accuracy"])):
        if row["accuracy"] > best:
            best = row["accuracy"]
            front.append(row)
    return front


def quality_and_cost(results: Mapping[str, Any]) -> "Figure":
    """Draw accuracy against cost, with a line through what is best at its price, and the base rate.

    Args:
        results: the `prompt_results` dataset.
    """
    trials, front = results["trials"], pareto(results["trials"])
    figure, axes = canvas(10.5, 4.6)
    for row in trials:
        cost, best = row["usd_per_1000_clips"], row in front
        axes.plot([cost, cost], row["ci95"], color=ACCENT if best else GREY, linewidth=1.4, alpha=0.45)
        axes.scatter([cost], [row["accuracy"]], color=ACCENT if best else GREY, s=46 if best else 26, zorder=3)
    points = [(row["usd_per_1000_clips"], row["accuracy"]) for row in front]
    axes.plot(*zip(*points, strict=True), color=ACCENT, linewidth=1)
    for row, point in zip(front, points, strict=True):
        axes.annotate(row["name"], point, (7, -11), textcoords="offset points", fontsize=8)
    axes.axhline(results["base_rate"]["accuracy"], color=GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set(xlabel="US dollars per 1,000 clips", ylabel="accuracy, 95 % interval", ylim=(-0.02, 1.05))
    axes.set_xlim(0, 1.25 * max(row["usd_per_1000_clips"] for row in trials) or 1.0)
    axes.xaxis.set_major_formatter(lambda value, _: money(value))
    axes.grid(color=LINE, linewidth=0.6)
    return figure

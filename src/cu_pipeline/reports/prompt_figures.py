from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cu_pipeline.reports.figures import pareto_figure

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
    """Draw the trials of the `prompt_results` dataset."""
    return pareto_figure(results["trials"], pareto(results["trials"]))

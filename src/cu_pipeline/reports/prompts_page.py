"""The page about the prompt lab, its figure and its table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cu_pipeline.core.dollars import dollars
from cu_pipeline.reports.cards import data_uri
from cu_pipeline.reports.figures import ACCENT, GREY, LINE, canvas, svg
from cu_pipeline.reports.templating import environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def prompts_page(results: dict[str, Any]) -> str:
    """Write one self-contained page about the prompt lab: equal results give equal pages.

    Args:
        results: the `prompt_results` dataset.
    """
    figure = data_uri(svg(quality_and_cost(results)), "image/svg+xml")
    return (
        environment()
        .get_template("prompts.html.j2")
        .render(results=results, figure=figure, base_rate=base_rate_in_words(results))
    )


def in_words(results: dict[str, Any]) -> Iterator[str]:
    """Write the lines of a table of all trials, and the decision."""
    rows = results["trials"]
    width = max(len(row["name"]) for row in rows)
    yield f"{'prompt × method':<{width}}  accuracy  95 % interval   ECE   $/1000   s/clip  unparsed  adjusted p"
    for row in rows:
        low, high = row["ci95"]
        seconds = "–" if row["seconds_per_clip"] is None else f"{row['seconds_per_clip']:.2f}"
        p = "present" if row["present"] else f"{row['p_adjusted']:.2g}"
        yield (
            f"{row['name']:<{width}}  {row['accuracy']:8.3f}  {low:.3f} to {high:.3f}  {row['ece']:.2f}  "
            f"{row['usd_per_1000_clips']:7.4f}  {seconds:>6}  {row['unparsed']:8.0%}  {p:>10}{' *' * row['chosen']}"
        )
    yield base_rate_in_words(results)
    if results["kind"] == "multi":
        yield "accuracy: the share of clips all of whose classes are right, and no other is named"
    yield results["decision"]["reason"]


def base_rate_in_words(results: dict[str, Any]) -> str:
    """Say how often the commonest label is right, and how many trials are better."""
    usual, (low, high) = results["base_rate"], results["base_rate"]["ci95"]
    return (
        f"base rate: always saying {usual['label']!r} is right on {usual['accuracy']:.3f} of the clips ({low:.3f} to "
        f"{high:.3f}); {usual['better']} of {len(results['trials'])} prompts and methods are shown to be better"
    )


def pareto(trials: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Choose the trials that no other one beats in both accuracy and cost, the cheapest first.

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
    axes.xaxis.set_major_formatter(lambda value, _: dollars(value))
    axes.grid(color=LINE, linewidth=0.6)
    return figure

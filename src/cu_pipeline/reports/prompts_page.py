from collections.abc import Iterator
from typing import Any

from cu_pipeline.reports.cards import data_uri
from cu_pipeline.reports.figures import svg
from cu_pipeline.reports.prompt_figures import quality_and_cost
from cu_pipeline.reports.templating import environment


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
    """Give the lines of a table of all trials, and the decision."""
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

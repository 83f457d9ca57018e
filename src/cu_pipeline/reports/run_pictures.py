"""The figures that MLflow shows with a run, as `CAPABILITY/NAME.png`: of what was measured, of the fit, of insights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cu_pipeline.core.keys import file_key
from cu_pipeline.reports.figures import ACCENT, GREY, LINE, WARM, canvas, model_figures, png, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pictures = Iterator[tuple[str, bytes]]
"""Name and the PNG's bytes."""


def metrics_pictures(metrics: Mapping[str, Mapping[str, Any]]) -> Pictures:
    """Draw what the `metrics` dataset has of each capability's model: scores, confusion, calibration, selectivity."""
    for capability, found in metrics.items():
        trained = _of_trained(found)
        figures = model_figures(trained)
        if points := trained.get("selective"):
            figures["risk_coverage"] = risk_figure(points)
        yield from _named(capability, figures)


def _of_trained(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put the model that the run trained in the place of the served one, which then stands beside, before baselines."""
    if "challenger" not in found:
        return found
    beside = {"served_model": found["test"]} if "test" in found else {}
    shown = {"served": False, "baselines": beside | found.get("baselines", {})}
    return {key: value for key, value in found.items() if key != "challenger"} | found["challenger"] | shown


def training_pictures(history: Mapping[str, Sequence[Mapping[str, float]]]) -> Pictures:
    """Draw the losses of each capability's fit, from the `training_history` dataset."""
    for capability, rows in history.items():
        names = [name for name in dict.fromkeys(key for row in rows for key in row) if name.endswith("loss")]
        if len(rows) > 1 and names:
            yield from _named(capability, {"training": loss_figure(rows, names)})


def insight_pictures(insights: Mapping[str, Mapping[str, Any]]) -> Pictures:
    """Draw what the `insights` dataset has of each capability's model: learning curve, and what modalities add."""
    for capability, found in insights.items():
        figures = {}
        if curve := found.get("learning_curve"):
            figures["learning_curve"] = learning_figure(curve["points"], curve.get("forecast"))
        if parts := found.get("modalities"):
            figures["modalities"] = parts_figure(parts)
        yield from _named(capability, figures)


def loss_figure(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> "Figure":
    """Draw how losses went in a fit.

    Args:
        rows: with `epoch` and losses; an epoch is whatever the family counts.
        names: of the losses.
    """
    figure, axes = canvas(5.4, 3.2)
    for name, colour in zip(names, (ACCENT, WARM, GREY, LINE), strict=False):
        points = [(row["epoch"], row[name]) for row in rows if name in row]
        label = "validation loss" if name == "val_loss" else words(name)
        axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.8, marker="o", markersize=3, label=label)
    axes.set(xlabel="step of the fit", ylabel="loss", ylim=(0, None))
    axes.grid(color=LINE, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8)
    return figure


def risk_figure(points: Sequence[Mapping[str, float]]) -> "Figure":
    """Draw which share of answers is wrong where only the surest are given.

    Args:
        points: with `coverage`, the share of clips that are answered, and `risk`, the share of these that are wrong.
    """
    figure, axes = canvas(5.4, 3.2)
    axes.plot([point["coverage"] for point in points], [point["risk"] for point in points], color=ACCENT, linewidth=1.8)
    axes.set(xlabel="share of clips that are answered, the surest first", ylabel="share of answers that is wrong")
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    axes.grid(color=LINE, linewidth=0.6)
    return figure


def learning_figure(points: Sequence[Mapping[str, float]], forecast: Mapping[str, float] | None) -> "Figure":
    """Draw accuracy by the number of labelled clips that were learned from, and what more are expected to bring.

    Args:
        points: with `clips` and `accuracy`.
        forecast: `clips`, `accuracy` and its interval from `low` to `high`.
    """
    figure, axes = canvas(5.4, 3.2)
    clips, accuracy = ([point[key] for point in points] for key in ("clips", "accuracy"))
    axes.plot(clips, accuracy, color=ACCENT, linewidth=1.8, marker="o", markersize=4, label="measured")
    if forecast and points:
        then = [clips[-1], forecast["clips"]], [accuracy[-1], forecast["accuracy"]]
        axes.plot(*then, color=WARM, linewidth=1.4, linestyle=(0, (4, 3)), marker="o", markersize=4, label="expected")
        axes.vlines(forecast["clips"], forecast["low"], forecast["high"], color=WARM, linewidth=2.4, alpha=0.6)
    axes.set(xlabel="labelled clips", ylabel="accuracy on unseen clips")
    axes.grid(color=LINE, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def parts_figure(parts: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw how much accuracy each modality adds: what is lost where it is hidden from the model.

    Args:
        parts: with `modality`, `part` and its interval `ci95`.
    """
    figure, axes = canvas(5.4, 0.8 + 0.36 * len(parts))
    places = np.arange(len(parts))
    axes.barh(places, [row["part"] for row in parts], color=ACCENT, height=0.55)
    for place, row in zip(places, parts, strict=True):
        if row.get("ci95"):
            axes.plot(row["ci95"], [place, place], color=GREY, linewidth=1.6)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(places, [words(row["modality"]) for row in parts])
    axes.set(ylim=(len(parts) - 0.4, -0.6), xlabel="accuracy that is lost without it, 95 % interval")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


def _named(capability: str, figures: "Mapping[str, Figure]") -> Pictures:
    for name, figure in figures.items():
        yield f"{file_key(capability)}/{name}.png", png(figure)

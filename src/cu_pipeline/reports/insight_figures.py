"""Figures of what would make a model better: risk against coverage, the learning curve, and what modalities add."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cu_pipeline.reports.figures import ACCENT, BAD, GREY, LINE, WARM, canvas, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODALITIES: Final = {"screen_text": "text on screen", "frames": "pictures"}
"""Modalities whose name is not plain words."""


def risk_figure(points: Sequence[Mapping[str, float]]) -> "Figure":
    """Draw the share of wrong answers if only the surest clips are answered.

    Args:
        points: with `coverage` and `risk`, from few clips to all.
    """
    figure, axes = canvas(5.0, 3.2)
    coverage, risk = (np.array([point[key] for point in points]) for key in ("coverage", "risk"))
    axes.plot(100 * coverage, 100 * risk, color=ACCENT, linewidth=1.8)
    axes.fill_between(100 * coverage, 100 * risk, color=ACCENT, alpha=0.1, linewidth=0)
    axes.scatter([100 * coverage[-1]], [100 * risk[-1]], color=ACCENT, s=36, zorder=3)
    axes.set(xlim=(0, 102), ylim=(0, max(1.15 * 100 * risk.max(initial=0), 5)))
    axes.set(xlabel="% of the test clips that are answered, the surest first", ylabel="% of them wrong")
    axes.grid(color=LINE, linewidth=0.6)
    return figure


def curve_figure(curve: Mapping[str, Any]) -> "Figure":
    """Draw how accuracy grows with the clips that are learned from, and how it is expected to go on.

    Args:
        curve: the part `learning_curve` of the `insights` dataset.
    """
    from matplotlib.ticker import NullLocator

    figure, axes = canvas(5.0, 3.2)
    points, ahead = curve["points"], curve["forecast"]
    clips, right = (np.array([point[key] for point in points], dtype=float) for key in ("clips", "accuracy"))
    spread = 1.96 * np.array([point.get("standard_error", 0.0) for point in points])
    axes.errorbar(clips, 100 * right, 100 * spread, color=ACCENT, linewidth=1.8, marker="o", markersize=5, capsize=3)
    ticks = [int(value) for value in clips]
    if ahead:
        axes.plot([clips[-1], ahead["clips"]], [100 * right[-1], 100 * ahead["accuracy"]], color=WARM, linestyle="--")
        away = [[ahead["accuracy"] - ahead["low"]], [ahead["high"] - ahead["accuracy"]]]
        axes.errorbar(
            [ahead["clips"]], [100 * ahead["accuracy"]], 100 * np.array(away), color=WARM, marker="o", capsize=3
        )
        axes.annotate("expected", (ahead["clips"], 100 * ahead["low"]), (0, -12), textcoords="offset points",
                      ha="center", fontsize=8, color=WARM)  # fmt: skip
        ticks.append(int(ahead["clips"]))
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="labelled clips to learn from", ylabel="% right, clips that were not learned from")
    axes.grid(color=LINE, linewidth=0.6)
    return figure


def modality_figure(parts: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw how many points of accuracy are lost when one modality is hidden, with intervals.

    Args:
        parts: the part `modalities` of the `insights` dataset.
    """
    figure, axes = canvas(5.0, 1.0 + 0.42 * len(parts))
    places = np.arange(len(parts))
    lost = 100 * np.array([part["part"] for part in parts])
    ends = 100 * np.array([part["ci95"] for part in parts])
    colours = [ACCENT if low > 0 else BAD if high < 0 else GREY for low, high in ends]
    axes.barh(places, lost, color=colours, height=0.55, alpha=0.85)
    axes.hlines(places, ends[:, 0], ends[:, 1], color="#16202c", linewidth=1.4)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(places, [modality_words(part["modality"]) for part in parts])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("points of accuracy lost without it, 95 % interval")
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


def modality_words(name: str) -> str:
    """A modality in plain words.

    >>> modality_words("screen_text"), modality_words("caption")
    ('text on screen', 'caption')
    """
    return MODALITIES.get(name, words(name))

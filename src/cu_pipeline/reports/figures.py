"""Figures of the report and of the tracked runs: one look, no state of pyplot, equal data give equal bytes."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cu_pipeline.labeling.sources.source import source_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#16202c"
SOFT: Final = "#51606f"
LINE: Final = "#dde3ea"
ACCENT: Final = "#0b63ce"
GREY: Final = "#8a99a8"
WARM: Final = "#d9822b"
BAD: Final = "#ab2318"

_STYLE: Final[Any] = {
    "svg.hashsalt": "cu-pipeline",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "text.parse_math": False,
}


def confusion_figure(confusion: Any, classes: Sequence[str]) -> "Figure":
    """Draw what was mistaken for what on the test split.

    Args:
        confusion: single-label: matrix (classes, classes), rows truth, columns prediction; multi-label:
            class -> [[tn, fp], [fn, tp]].
        classes: names, in the matrix's order.
    """
    return _presence(confusion) if isinstance(confusion, Mapping) else _matrix(np.array(confusion), classes)


def reliability_figure(points: Sequence[Mapping[str, float]], ece: float) -> "Figure":
    """Draw how often predictions of each confidence are right; the diagonal is perfect.

    Args:
        points: with `confidence`, `accuracy` and `n`; a dot's area grows with n.
        ece: expected calibration error, for the title.
    """
    figure, axes = canvas(4.2, 3.8)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    x, y, n = (np.array([point[key] for point in points]) for key in ("confidence", "accuracy", "n"))
    axes.vlines(x, x, y, color=WARM, linewidth=1.2, alpha=0.8)
    axes.scatter(x, y, s=20 + 220 * n / max(n.max(initial=1), 1), color=ACCENT, alpha=0.85, zorder=3, linewidth=0)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="predicted probability", ylabel="share that was right")
    axes.set_title(f"calibration error {ece:.3f}", loc="left", fontsize=10, fontweight="bold")
    axes.grid(color=LINE, linewidth=0.6)
    return figure


def interval_figure(rows: Sequence[tuple[str, float, float, float]], metric: str) -> "Figure":
    """Draw values with their intervals, one row each; the first row is the model, the others are compared to it.

    Args:
        rows: name, value, lower and upper end.
        metric: what the values are.
    """
    figure, axes = canvas(5.4, 0.6 + 0.34 * (len(rows) + 1))
    for place, (_, value, low, high) in enumerate(rows):
        colour = GREY if place else ACCENT
        axes.plot([low, high], [place, place], color=colour, linewidth=2.4 if place else 4, solid_capstyle="round")
        axes.scatter([value], [place], color=colour, s=70 if not place else 42, zorder=3)
        axes.annotate(f"{value:.3f}", (high, place), (7, 0), textcoords="offset points", va="center", fontsize=8)
        if not place:
            axes.axvspan(low, high, color=ACCENT, alpha=0.08, linewidth=0)
    axes.set_yticks(range(len(rows)), [_short(name) for name, *_ in rows])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlim=(-0.02, 1.12), xlabel=f"{metric} on the test split, 95 % interval")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    return figure


def quantile_figure(quantiles: Sequence[float], label: str) -> "Figure":
    """Draw which share of values is at most so large.

    Args:
        quantiles: at evenly spaced shares from 0 to 1, finite.
        label: of the axis, with its unit.
    """
    figure, axes = canvas(5.4, 2.4)
    shares = np.linspace(0, 1, len(quantiles))
    axes.plot(quantiles, shares, color=ACCENT, linewidth=1.8)
    axes.fill_between(quantiles, shares, color=ACCENT, alpha=0.12, linewidth=0)
    axes.set(xlabel=label, ylabel="share of clips", ylim=(0, 1.02), xlim=(0, None))
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure


def money_figure(rows: Sequence[tuple[str, float, str]]) -> "Figure":
    """Draw what was ever paid to each source.

    Args:
        rows: kind of annotator, US dollars, and how they are written.
    """
    figure, axes = canvas(5.4, 0.7 + 0.36 * len(rows))
    names, sums, written = zip(*rows, strict=True)
    axes.barh(range(len(rows)), sums, color=[WARM if name == "llm" else ACCENT for name in names], height=0.6)
    for place, (value, words) in enumerate(zip(sums, written, strict=True)):
        axes.annotate(words, (value, place), (5, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.set_yticks(range(len(rows)), [source_title(name) for name in names])
    axes.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, 1.18 * max([*sums, 1e-9])), xlabel="US dollars paid")
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    return figure


def svg(figure: "Figure") -> bytes:
    """A figure as SVG; equal figures give equal bytes."""
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def png(figure: "Figure") -> bytes:
    """A figure as PNG; equal figures give equal bytes."""
    return _saved(figure, format="png", dpi=120, metadata={"Software": None})


def _saved(figure: "Figure", **options: Any) -> bytes:
    """Save a figure; what the font lacks stays text in SVG, and browsers have fonts for it."""
    try:
        return _written(figure, "error", {}, options)
    except UserWarning:
        return _written(figure, "ignore", {"svg.fonttype": "none"}, options)


def _written(figure: "Figure", on_missing_glyphs: Literal["error", "ignore"], style: Any, options: Any) -> bytes:
    import matplotlib as mpl

    stream = io.BytesIO()
    with warnings.catch_warnings(), mpl.rc_context(_STYLE | style):
        warnings.filterwarnings(on_missing_glyphs, r"Glyph \d+ .*missing from", UserWarning)
        figure.savefig(stream, bbox_inches="tight", **options)
    return stream.getvalue()


def canvas(width: float, height: float) -> tuple["Figure", "Axes"]:
    """Make an empty plot of so many inches, without a window."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def _matrix(counts: "np.ndarray[Any, Any]", classes: Sequence[str]) -> "Figure":
    side = 1.6 + 0.42 * len(classes)
    figure, axes = canvas(min(side + 0.6, 9), min(side, 8.4))
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / totals
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 20:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                ink = "white" if shares[row, column] > 0.55 else INK
                axes.text(column, row, f"{count}", ha="center", va="center", color=ink, fontsize=8)
    names = [_short(name) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="truth")
    return figure


def _presence(confusion: Mapping[str, Any]) -> "Figure":
    figure, axes = canvas(5.4, 0.9 + 0.42 * len(confusion))
    names = list(confusion)
    found, missed, wrong = (
        np.array([confusion[name][row][column] for name in names]) for row, column in ((1, 1), (1, 0), (0, 1))
    )
    places = np.arange(len(names))
    axes.barh(places, found, color=ACCENT, label="found", height=0.6)
    axes.barh(places, missed, left=found, color=GREY, label="missed", height=0.6)
    axes.barh(places, wrong, left=found + missed, color=WARM, label="false alarms", height=0.6)
    axes.set_yticks(places, [_short(name) for name in names])
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("test clips")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return figure


def _short(name: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in name)
    return printable if len(printable) <= 22 else printable[:21] + "…"


COMPARED: Final = {"accuracy": "Accuracy", "macro_f1": "Macro-F1"}
"""Metrics that are drawn beside the baselines, with their words."""


def compared_models(found: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """List what stands side by side on the test split, from a capability's part of the `metrics` dataset.

    Returns:
        Name and numbers: of the served model, of a challenger that is kept back, and of the baselines; nothing
        without test clips.
    """
    if "test" not in found:
        return []
    rows = [("served model" if found.get("served") else "this model", found["test"])]
    if "test" in found.get("challenger", {}):
        rows.append(("challenger, kept back", found["challenger"]["test"]))
    return [*rows, *((words(name), values) for name, values in found.get("baselines", {}).items())]


def model_figures(found: Mapping[str, Any]) -> "dict[str, Figure]":
    """Draw one capability's model on the test split, from its part of the `metrics` dataset.

    Returns:
        Name -> figure: each compared metric, `confusion` and `calibration`; none without test clips.
    """
    if "test" not in found:
        return {}
    rows = compared_models(found)
    figures = {
        metric: interval_figure([(name, values[metric], *values["ci95"][metric]) for name, values in rows], title)
        for metric, title in COMPARED.items()
    }
    return figures | {
        "confusion": confusion_figure(found["confusion"], found["classes"]),
        "calibration": reliability_figure(found["reliability"], found["test"]["ece"]),
    }


def words(name: str) -> str:
    """A name as words.

    >>> words("tfidf_logistic")
    'tfidf logistic'
    """
    return name.replace("_", " ")

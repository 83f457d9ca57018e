"""The page of the simulated year: quality, spend and alarms by windows, beside policies without a loop."""

import base64
from typing import TYPE_CHECKING, Final

import numpy as np

from cu_pipeline.iterate.year.outcome import Year
from cu_pipeline.reports.figures import ACCENT, BAD, GREY, INK, LINE, SOFT, WARM, canvas, svg
from cu_pipeline.reports.templating import environment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RIVALS: Final = ((GREY, (0, (1, 1.5))), (WARM, (0, (5, 2))), ("#7d4fb3", (0, (4, 2, 1, 2))))
"""Colours and dashes of the policies beside the loop."""


def year_page(year: Year) -> str:
    """Show a year as one HTML page that needs nothing but itself."""
    rivals = [name for name in year.windows[0].accuracy if name != year.ours]
    return (
        environment()
        .get_template("year.html.j2")
        .render(
            year=year,
            policies=[year.ours, *rivals],
            quality=_embedded(quality_figure(year)),
            spend=_embedded(spend_figure(year)),
        )
    )


def quality_figure(year: Year) -> "Figure":
    """Draw true accuracy by window for each policy, what the loop estimated, and where it raised an alarm."""
    figure, axes = canvas(10.5, 4.8)
    months = np.array([window.number for window in year.windows])
    _estimates(axes, year, months)
    for (colour, dashes), name in zip(_RIVALS, _others(year), strict=False):
        axes.plot(
            months, [w.accuracy[name] for w in year.windows], color=colour, linestyle=dashes, linewidth=1.6, label=name
        )
    ours = np.array([window.accuracy[year.ours] for window in year.windows])
    axes.plot(months, ours, color=ACCENT, linewidth=2.4, marker="o", markersize=4.5, label=year.ours, zorder=4)
    low = min(min(window.accuracy.values()) for window in year.windows)
    floor = max(0.0, np.floor((low - 0.12) * 10) / 10)
    for window in year.windows:
        if window.cause:
            axes.axvspan(window.number - 0.5, window.number + 0.5, color=LINE, alpha=0.45, linewidth=0, zorder=0)
        if window.told.decision == "drift":
            right = not window.cause or window.cause in window.told.causes
            colour = BAD if not window.cause or not right else INK
            axes.annotate(
                "alarm",
                (window.number, floor),
                (0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=colour,
            )
    axes.set_xticks(months, [f"{w.number}\n{_wrapped(w.title)}" for w in year.windows], fontsize=7)
    axes.set(ylabel="true accuracy, topic", ylim=(floor, 1.02), xlim=(0.4, len(months) + 0.6))
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 0.07), ncols=2)
    return figure


def spend_figure(year: Year) -> "Figure":
    """Draw what labels have cost each policy by the end of each window."""
    figure, axes = canvas(10.5, 2.6)
    months = [window.number for window in year.windows]
    for (colour, dashes), name in zip(_RIVALS, _others(year), strict=False):
        axes.step(
            months, [w.spent[name] for w in year.windows], where="post", color=colour, linestyle=dashes, linewidth=1.6
        )
    axes.step(months, [w.spent[year.ours] for w in year.windows], where="post", color=ACCENT, linewidth=2.4)
    axes.set(ylabel="US dollars for labels", xlabel="window", xlim=(0.4, len(months) + 0.6))
    axes.set_xticks(months)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    return figure


def _others(year: Year) -> list[str]:
    return [name for name in year.windows[0].accuracy if name != year.ours]


def _estimates(axes: "Axes", year: Year, months: "np.ndarray") -> None:  # type: ignore[type-arg]
    """Bars of what the loop estimated; hollow where it said that its estimate cannot be trusted."""
    labelled = {True: False, False: False}
    for month, window in zip(months, year.windows, strict=True):
        if window.told.estimate is None:
            continue
        middle, low, high = window.told.estimate
        trusted = window.told.trusted
        title = "estimated without labels" if trusted else "estimated, and said not to be trusted"
        axes.errorbar(
            month + 0.12,
            middle,
            [[middle - low], [high - middle]],
            color=SOFT,
            marker="s" if trusted else "x",
            markersize=4,
            linewidth=1,
            capsize=2,
            alpha=0.9 if trusted else 0.5,
            linestyle="none",
            label=None if labelled[trusted] else title,
        )
        labelled[trusted] = True


def _wrapped(title: str) -> str:
    """A title in lines of two words."""
    words = title.split()
    return "\n".join(" ".join(words[place : place + 2]) for place in range(0, len(words), 2))


def _embedded(figure: "Figure") -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg(figure)).decode("ascii")

"""The page of the iterations that are over: `data/08_reporting/iterations.html`."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.iterate.ledger import PROMOTED, IterationLine
from cu_pipeline.reports.figures import ACCENT, GREY, INK, LINE, SOFT, WARM, canvas, svg
from cu_pipeline.reports.templating import environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE: Final = Path("data/08_reporting/iterations.html")

_COLOURS: Final = (ACCENT, "#7d4fb3", WARM, "#1f8a70", GREY)
_MOST: Final = 60
"""Iterations in the figure: the newest."""


def history_page(lines: Sequence[IterationLine]) -> str:
    """Show iterations as one HTML page that needs nothing but itself.

    Args:
        lines: of the ledger, oldest first; at least one.
    """
    recent = lines[-_MOST:]
    tells = any(one.committed_usd or one.quality or one.outcome == PROMOTED for one in recent)
    picture = base64.b64encode(svg(course_figure(recent))).decode("ascii") if tells else ""
    return (
        environment()
        .get_template("iterations.html.j2")
        .render(
            lines=list(lines),
            asked=sum(int(one.cost.get("asked", 0)) for one in lines),
            course=f"data:image/svg+xml;base64,{picture}" if picture else "",
        )
    )


def course_figure(lines: Sequence[IterationLine]) -> "Figure":
    """Draw what each iteration promised to people, the estimated accuracy before it, and changes of champions."""
    from matplotlib.ticker import MaxNLocator

    figure, money = canvas(10.5, 3.4)
    numbers = [one.number for one in lines]
    money.bar(numbers, [one.committed_usd for one in lines], width=0.7, color=LINE)
    money.set(ylabel="US dollars promised to people", xlabel="iteration", xlim=(numbers[0] - 0.7, numbers[-1] + 0.7))
    money.set_ylim(0, max([one.committed_usd for one in lines] + [1.0]) * 2.2)
    money.xaxis.set_major_locator(MaxNLocator(integer=True))
    quality = money.twinx()
    quality.spines[["top", "left"]].set_visible(False)
    names = sorted({name for one in lines for name in one.quality})
    for colour, name in zip(_COLOURS, names, strict=False):
        known = [(one.number, one.quality[name]) for one in lines if name in one.quality]
        quality.plot(*zip(*known, strict=True), color=colour, marker="o", markersize=4, linewidth=1.6, label=name)
    changed = [one.number for one in lines if one.outcome == PROMOTED]
    quality.scatter(changed, [1.0] * len(changed), marker="D", s=26, color=INK, zorder=4, label="new champion")
    quality.set_ylim(0, 1.08)
    quality.set_ylabel("estimated accuracy", color=SOFT)
    quality.tick_params(colors=SOFT, labelsize=9)
    if names or changed:
        quality.legend(frameon=False, fontsize=8, loc="lower right", ncols=3)
    return figure

"""The drift page: the decision first, then what changed and on what that rests, and Evidently's report at the end."""

from collections.abc import Sequence
from typing import Final

from cu_pipeline.reports.drift_columns import Columns
from cu_pipeline.reports.drift_history import PastLook, within_horizon
from cu_pipeline.reports.drift_pictures import DriftPictures
from cu_pipeline.reports.drift_plots import distributions, forest, mixes, timelines
from cu_pipeline.reports.drift_told import DriftTold
from cu_pipeline.reports.templating import environment

_OFFLINE: Final = (
    "default-src 'none'; img-src data: blob:; font-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' blob:; frame-src 'self'"
)
_LAST_LOOKS: Final = 12
FORMAT: Final = 1
"""Of the page; a change makes earlier pages stale."""


def drift_page(
    told: DriftTold, columns: Columns, pictures: DriftPictures, looks: Sequence[PastLook], evidently: str
) -> str:
    """Show a decision on drift.

    The page needs nothing but itself and forbids browsers to fetch anything. Evidently's report lies in it as text, and
    becomes a frame when somebody opens it.

    Args:
        told: the decision.
        columns: the clips before and now.
        pictures: of causes.
        looks: the history, oldest first, this look among them.
        evidently: the page that Evidently made.

    Returns:
        One HTML page that carries the hash of what it tells.
    """
    template = environment().get_template("drift.html.j2")
    recent = within_horizon(looks, told.look.horizon_days)
    return template.render(
        told=told,
        identity=_identity(told),
        policy=_OFFLINE,
        plot=forest(told),
        distributions=distributions(told, columns),
        mixes=mixes(told, columns),
        timelines=timelines(told, columns),
        pictures=pictures,
        looks=looks[::-1][:_LAST_LOOKS],
        recent=len(recent),
        spent=sum(look.alpha for look in recent),
        evidently=evidently,
    )


def is_page_of(page: str, told: DriftTold) -> bool:
    """Tell whether a page shows the same, in the form of today."""
    return f'name="drift" content="{_identity(told)}"' in page[:2000]


def _identity(told: DriftTold) -> str:
    return f"{told.sha256}/{FORMAT}"

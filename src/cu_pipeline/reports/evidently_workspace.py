"""The workspace that Evidently's UI opens: one project, one snapshot a look, a dashboard over all of them."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from cu_pipeline.drift.plain_names import plain_name
from cu_pipeline.reports import evidently_metrics as metrics
from cu_pipeline.reports.drift_history import PastLook
from cu_pipeline.reports.evidently_metrics import inert

NAME: Final = "Drift of the service's clips"
PROJECT: Final = uuid5(NAMESPACE_URL, "cu-pipeline/drift")
"""The project's id: the same in every workspace, so that a dashboard's address stays."""

MOST_LINES: Final = 8
"""Tests in one plot, those that declared drift most often first: a legend of more says nothing."""

Changes = dict[str, str | None]
"""Path inside the workspace -> what is written there; None: it is removed."""


def workspace_changes(looks: Sequence[PastLook], look: str, snapshot: str, present: Collection[str]) -> Changes:
    """What a look changes in the workspace: its snapshot comes, the dashboard follows, the oldest snapshots go.

    Args:
        looks: all that are kept, this one among them.
        look: its id.
        snapshot: the text of its file.
        present: paths of the files in the workspace.
    """
    folder = f"{PROJECT}/snapshots"
    kept = {f"{folder}/{snapshot_id(one.id)}.json" for one in looks}
    gone = [path for path in present if path.startswith(f"{folder}/") and path not in kept]
    return {
        f"{PROJECT}/metadata.json": _project(),
        f"{PROJECT}/dashboard.json": _dashboard(looks),
        f"{folder}/{snapshot_id(look)}.json": snapshot,
        **dict.fromkeys(gone),
    }


def snapshot_id(look: str) -> UUID:
    """The id of a look's snapshot: the same look again takes its own place."""
    return uuid5(PROJECT, look)


def has_snapshot(look: str, present: Collection[str]) -> bool:
    """Tell whether a workspace holds a look."""
    return f"{PROJECT}/snapshots/{snapshot_id(look)}.json" in present


def _project() -> str:
    from evidently.sdk.models import ProjectModel

    return _json(ProjectModel(id=PROJECT, name=NAME, description="One snapshot for each look at the traffic."))


def _dashboard(looks: Sequence[PastLook]) -> str:
    from evidently.sdk.models import DashboardModel, DashboardTabModel

    panels = []
    for panel in _panels(looks):
        panel.id = uuid5(PROJECT, panel.title)
        panels.append(panel)
    tab = DashboardTabModel(id=uuid5(PROJECT, "tab"), title="Drift", panels=[panel.id for panel in panels])
    return _json(DashboardModel(tabs=[tab], panels=panels))


def _panels(looks: Sequence[PastLook]) -> Iterator[Any]:
    from evidently.sdk.panels import bar_plot_panel, counter_panel, line_plot_panel

    tests = _tests(looks)
    drifted, least = _value(metrics.NUMBER, metrics.DRIFTED), _value(metrics.NUMBER, metrics.LEAST_P)
    yield counter_panel("Tests that declare drift, last look", [drifted], size="half")
    yield counter_panel("Clips in the latest window", [_value(metrics.NUMBER, metrics.CLIPS)], size="half")
    about_p = "A look declares drift where it is at most the look's alpha, and the effect is large enough."
    alpha = _value(metrics.NUMBER, metrics.ALPHA, "alpha of the look")
    yield line_plot_panel("Smallest adjusted p-value", [least, alpha], about_p, size="full")
    yield bar_plot_panel("Tests that declare drift", [drifted], size="full")
    if tests:
        lines = [_value(metrics.EFFECT, metrics.series_name(name, "latest"), plain_name(name)) for name in tests]
        yield line_plot_panel("Effects by test", lines, "Each in its own unit, mostly shares from 0 to 1.", size="full")
    if estimated := sorted({name for look in looks for name in look.quality}):
        lines = [_value(metrics.QUALITY, metrics.quality_name(name, end)) for name in estimated for end in metrics.ENDS]
        yield line_plot_panel("Estimated quality", lines, "Accuracy without labels, with its interval.", size="full")
    yield line_plot_panel("Clips at each look", [_value(metrics.NUMBER, metrics.CLIPS, "clips")], size="half")
    if any(look.spent_usd is not None for look in looks):
        yield line_plot_panel(
            "Spent on labels", [_value(metrics.NUMBER, metrics.SPENT, "dollars")], "US dollars.", size="half"
        )


def _tests(looks: Sequence[PastLook]) -> list[str]:
    """Tests of the looks: those that declared drift most often, then the largest effects."""
    often: dict[str, tuple[int, float]] = {}
    for look in looks:
        for name, effect in look.effects.items():
            times, largest = often.get(name, (0, 0.0))
            often[name] = (times + (name in look.drifted), max(largest, effect))
    return sorted(often, key=lambda name: (often[name], name), reverse=True)[:MOST_LINES]


def _value(metric: str, name: str, legend: str = "") -> Any:
    from evidently.sdk.models import PanelMetric

    return PanelMetric(metric=metric, metric_labels={"name": name}, legend=inert(legend or name))


def _json(model: Any) -> str:
    from evidently.legacy.utils import NumpyEncoder

    return json.dumps(model.dict(), cls=NumpyEncoder, indent=2)

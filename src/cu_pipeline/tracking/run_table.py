"""The table of runs that MLflow's UI opens with: its columns and charts, which the experiment keeps, and its address.

MLflow keeps a view that somebody shares as a tag of the experiment, whose key stands in the address. The UI reads the
tag as JSON (https://github.com/mlflow/mlflow, `useSharedExperimentViewState`).
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cu_pipeline.tracking.mlflow_run import EXPERIMENT, PIPELINE, search

KEY: Final = "runs"
_TAG: Final = f"mlflow.sharedViewState.{KEY}"
_COLUMNS: Final = 10
_TOTALS: Final = ("total/usd", "total/seconds")
_WANTED: Final = ("test/accuracy", "gate/promoted", "test/macro_f1", "test/ece")
"""Of each capability, the most wanted first: what does not fit is left out."""

_RUN_WIDTH: Final = 360
_WIDTH: Final = 145
_MAIN: Final = "main"
_RUN_NAME: Final = "attributes.`Run Name`"
_RECENT: Final = 20
_FIXED: Final = {
    "mlflow.experimentKind": "custom_model_development",  # else the UI opens its pages for language models
    "mlflow.note.content": (
        "Each run is one `kedro run`; its name tells what differs from the run before. `CAPABILITY/test` is measured "
        "on the test split, of the model that the run trained; `CAPABILITY/gate/promoted` is 1 where it became the "
        "champion. All other numbers are in the runs inside a run (the +), one a capability, and in its models. "
        "To compare runs, tick them, then *Compare*, or open the chart view."
    ),
}
"""Tags of the experiment that are set where they are missing."""


def publish() -> None:
    """Let the experiment keep the table's columns, by the metrics of recent runs; the active run's are among them."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return
    recent = search(client, f"tags.{PIPELINE} != ''", most=_RECENT)
    wanted = {key: value for key, value in _FIXED.items() if key not in experiment.tags}
    if chosen := columns({name for run in recent for name in run.data.metrics}):
        wanted |= {_TAG: view(chosen)}
    for key, value in wanted.items():
        if experiment.tags.get(key) != value:
            client.set_experiment_tag(experiment.experiment_id, key, value)


def columns(metrics: Iterable[str]) -> list[str]:
    """Choose the table's columns among the metrics of runs.

    >>> columns(["topic/test/accuracy", "topic/test/ece", "topic/gate/p_value", "total/seconds", "topic/test/n"])
    ['topic/test/accuracy', 'topic/test/ece', 'total/seconds']
    """
    known = set(metrics)
    totals = [name for name in _TOTALS if name in known]
    capabilities = sorted({name[: -len(f"/{end}")] for end in _WANTED for name in known if name.endswith(f"/{end}")})
    capabilities = [name for name in capabilities if "/" not in name]  # of earlier versions: champions and baselines
    wanted = [f"{name}/{end}" for end in _WANTED for name in capabilities if f"{name}/{end}" in known]
    chosen = set(wanted[: _COLUMNS - len(totals)])
    return [f"{name}/{end}" for name in capabilities for end in _WANTED if f"{name}/{end}" in chosen] + totals


def view(chosen: Sequence[str]) -> str:
    """Write the state of the table, and of its view as charts, as the UI keeps it: JSON.

    Args:
        chosen: metrics, in the order of their columns.
    """
    ids = [f"metrics.`{name}`" for name in chosen]
    state: dict[str, Any] = {
        "selectedColumns": ids,
        "columnOrder": [_RUN_NAME, "runDateAndNestInfo", *ids],
        "columnWidths": {_RUN_NAME: _RUN_WIDTH} | dict.fromkeys(ids, _WIDTH),
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "compareRunSections": [{"uuid": _MAIN, "name": _MAIN, "display": True, "isReordered": False}],
        "compareRunCharts": [_bars(name) for name in chosen],
        "isAccordionReordered": True,  # else the UI sorts sections by the alphabet: counters of earlier versions first
    }
    return json.dumps(state)


def _bars(metric: str) -> dict[str, Any]:
    """Write a chart of the main section, a bar for each run."""
    fixed = {"type": "BAR", "metricSectionId": _MAIN, "deleted": False, "isGenerated": True, "runsCountToCompare": 10}
    return fixed | {"uuid": metric, "metricKey": metric, "displayName": metric}


def address(server: str) -> str:
    """The address of the table.

    Args:
        server: address of MLflow's server.
    """
    import mlflow

    experiment = mlflow.MlflowClient().get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return server
    shared = f"&viewStateShareKey={KEY}" if _TAG in experiment.tags else ""
    return f"{server}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning{shared}"

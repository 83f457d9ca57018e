"""What a person reads when a run has ended well."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from cu_pipeline.core import counters
from cu_pipeline.hooks.run_state import Run, RunState
from cu_pipeline.reports.headline import headlines

_logger = logging.getLogger(__name__)


class SummaryHooks:
    """Says where the time went, what was counted and what can be done next.

    What it says of datasets, the catalog declares: `metadata: {summary: ROLE}` on a dataset in a file, where the
    role is `report` (a page to look at), `metrics` (how good the models are), `capabilities` (those that wait for
    labels are named) or `delivery` (what is served).

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state

    @hook_impl
    def after_pipeline_run(self, catalog: Any) -> None:
        """Say what came out."""
        if run := self._state.run:
            measured, steps = _measured(run, catalog), _steps(run, catalog)
            text = summary(run.seconds, counters.counts(), _report(run), run.run_id, steps)
            _logger.info("%s", f"\n{results(measured)}{text}" if measured else text)


def _report(run: Run) -> Path | None:
    pages = [run.root / file.path for file in run.files.values() if file.summary == "report"]
    return next((path for path in pages if path.is_file()), None)


def _written(run: Run) -> dict[str, str]:
    return {run.files[name].summary: name for name in run.written() if name in run.files}


def _measured(run: Run, catalog: Any) -> dict[str, Any]:
    written = _written(run)
    return catalog.load(written["metrics"]) if "metrics" in written else {}


def _steps(run: Run, catalog: Any) -> dict[str, str]:
    written = _written(run)
    waiting = catalog.load(written["capabilities"]).waiting if "capabilities" in written else {}
    served = "delivery" not in written or bool(catalog.load(written["delivery"])["capabilities"])
    return next_steps(waiting, served=served)


def summary(
    seconds: Mapping[str, float],
    counts: Mapping[str, int],
    report: Path | None,
    run_id: str,
    steps: Mapping[str, str],
) -> str:
    """Put together the text.

    Args:
        seconds: pipeline -> time of its nodes.
        counts: counter -> value.
        report: the report page, if there is one.
        run_id: the MLflow run.
        steps: what can be done next -> the command.
    """
    blocks = [_table("Time", {name: f"{value:.1f} s" for name, value in seconds.items()})]
    if counts:
        blocks.append(_table("Counters", {name: f"{value:,}" for name, value in counts.items()}))
    places = {"Report": str(report)} if report else {}
    places |= {"MLflow run": run_id, "Compare runs": "make ui"}
    blocks.append(_table("Next", {**places, **steps}))
    return "\n".join(["", *blocks])


def results(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    """Put together what the models reach on the test split, beside the best baseline of each, and what to beware of.

    Args:
        metrics: the `metrics` dataset.
    """
    told = {one.capability: one for one in headlines(metrics)}
    warned = [
        f"  {name}: {text}"
        for name, one in told.items()
        for text in metrics[name].get("warnings", [])
        if not one.remark or one.remark not in text
    ]
    table = _table("Results", {name: f"{one}{_cross_fitted(metrics[name])}" for name, one in told.items()})
    return "\n".join([table, *(["Beware", *warned] if warned else [])])


def _cross_fitted(measured: Mapping[str, Any]) -> str:
    """What is right of the clips that a model learned from, said by models that had not seen them; "": not known."""
    found = measured.get("cross_fitted")
    if not found:
        return ""
    low, high = found["ci95"]["accuracy"]
    where = f"{found['n']} clips of {found['units']} units that it learned from"
    return f"; cross-fitted accuracy {found['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {where}"


def next_steps(unlearned: Iterable[str], *, served: bool) -> dict[str, str]:
    """Name what can be done after a run, with the command.

    Args:
        unlearned: capabilities that wait for people's labels.
        served: whether there is a model to serve.

    >>> next_steps([], served=True)
    {'Serve': 'make serve'}
    >>> next_steps(["topic"], served=False)
    {'Label topic': 'kedro labels push, pull (or export FILE, import FILE), then make run'}
    """
    steps = {"Serve": "make serve"} if served else {}
    if names := ", ".join(unlearned):
        steps[f"Label {names}"] = "kedro labels push, pull (or export FILE, import FILE), then make run"
    return steps


def _table(title: str, rows: Mapping[str, str]) -> str:
    width = max((len(name) for name in rows), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows.items()]
    return "\n".join([title, *lines])

"""What a selection of pipelines or nodes reads must be there: what is not is named, with the pipelines that make it."""

from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from cu_pipeline.core.errors import ConfigurationError

_DEFAULT = "__default__"
_SPARED = {"label": frozenset({"features"})}
"""Pipeline -> what it takes for empty where it is absent: captions are labelled without features of clips."""


class RequiredInputsHooks:
    """Stops a run before its first node when something that other nodes make is not there yet."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any) -> None:
        """Check what the nodes read.

        Raises:
            ConfigurationError: it is not there; says what must run before.
        """
        if run_params.get("only_missing_outputs"):  # Kedro leaves nodes out later
            return
        stages = {name: one for name, one in registered_pipelines().items() if name != _DEFAULT}
        wanted = _wanted(pipeline, stages) - _written(pipeline)
        absent = {name for name in wanted if not _is_there(name, catalog)}
        if not absent:
            return
        selected = run_params.get("pipeline_names") or [_DEFAULT]
        problem = missing_inputs(absent, stages, selected, lambda name: _is_there(name, catalog))
        if problem:
            raise ConfigurationError(problem)


def registered_pipelines() -> dict[str, Pipeline]:
    """Read all registered pipelines, also those that Kedro left out for a run of others."""
    from kedro.framework.project import pipelines

    pipelines.set_requested(None)
    return dict(pipelines)


def missing_inputs(
    absent: Iterable[str], stages: Mapping[str, Pipeline], selected: Iterable[str], is_there: Any
) -> list[str]:
    """Say which datasets must be made first, and by what; nothing where no pipeline makes any of them.

    Args:
        absent: datasets that the selection reads, does not make, and that are not there.
        stages: registered pipeline -> its nodes.
        selected: names of the pipelines that were asked for.
        is_there: whether a dataset is there.
    """
    makers = {name: stage for stage, one in stages.items() for name in _written(one)}
    made = {name: makers[name] for name in sorted(absent) if name in makers}
    if not made:
        return []
    chosen = [name for name in selected if name in stages]
    before = _stages_before(set(made.values()), stages, makers, is_there)
    order = _in_order(before | set(chosen), stages, makers)
    lacking = "; ".join(
        f"{', '.join(name for name in made if made[name] == stage)} ({stage})"
        for stage in order
        if stage in made.values()
    )
    whole = "the selected nodes" if not chosen or set(made.values()) & set(chosen) else ", ".join(chosen)
    return [
        f"not there yet, but read by {whole}: {lacking}. In brackets: the pipeline that makes it",
        f"run `kedro run --pipelines={','.join(order)}`, or everything with `make run`",
    ]


def _stages_before(
    needed: set[str], stages: Mapping[str, Pipeline], makers: Mapping[str, str], is_there: Any
) -> set[str]:
    """Add the pipelines that must run before those that are needed."""
    found: set[str] = set()
    while waiting := needed - found:
        stage = waiting.pop()
        found.add(stage)
        reads = _wanted(stages[stage], stages) - _written(stages[stage])
        needed = needed | {makers[name] for name in reads if name in makers and not is_there(name)}
    return found


def _in_order(names: set[str], stages: Mapping[str, Pipeline], makers: Mapping[str, str]) -> list[str]:
    """Order pipelines so that each comes after those whose datasets it reads."""
    before = {
        name: sorted({makers[one] for one in _read(stages[name]) if one in makers} & names - {name})
        for name in sorted(names)
    }
    return list(TopologicalSorter(before).static_order())


def _wanted(pipeline: Pipeline, stages: Mapping[str, Pipeline]) -> set[str]:
    """Find what nodes read and cannot do without."""
    spared = {node.name: names for stage, names in _SPARED.items() if stage in stages for node in stages[stage].nodes}
    return set().union(*(_read(Pipeline([node])) - spared.get(node.name, frozenset()) for node in pipeline.nodes))


def _read(pipeline: Pipeline) -> set[str]:
    names = {name.partition("@")[0] for node in pipeline.nodes for name in node.inputs}
    return {name for name in names if not name.startswith("params:") and name != "parameters"}


def _written(pipeline: Pipeline) -> set[str]:
    return {name.partition("@")[0] for node in pipeline.nodes for name in node.outputs}


def _is_there(name: str, catalog: Any) -> bool:
    """Whether a dataset can be loaded; a log that is absent is an empty one."""
    from cu_pipeline.datasets.llm import CallLogDataset, TimedLogDataset
    from cu_pipeline.datasets.logs import LogDataset
    from cu_pipeline.datasets.objects import JSONObjectLog
    from cu_pipeline.datasets.people_logs import AnswerLogDataset, BatchLogDataset

    if name not in catalog:
        return False
    logs = (AnswerLogDataset, BatchLogDataset, CallLogDataset, JSONObjectLog, LogDataset, TimedLogDataset)
    return isinstance(catalog.get(name), logs) or bool(catalog.exists(name))

import os
from functools import wraps
from inspect import signature
from typing import Any, Final

from kedro.framework.project import find_pipelines
from kedro.pipeline import Node, Pipeline

LIFECYCLE: Final = ("collect", "featurize", "label", "train", "evaluate", "deliver", "monitor", "report")
"""What `kedro run` does; the order of the nodes follows from their inputs and outputs."""

GROUPED: Final = "CU_PIPELINE_GROUP_STAGES"
"""Environment variable that makes `__default__` a picture of the stages: `make viz` sets it."""

SHOWN: Final = frozenset(
    {
        "clips",
        "features",
        "labels",
        "bundles",
        "predictions",
        "metrics",
        "gate",
        "delivery",
        "prediction_log",
        "drift",
        "report",
    }
)
"""What the picture shows between the stages; the catalog gives each a layer. The rest, such as caches and what only the
report reads, is in the pictures of the single stages."""


def register_pipelines() -> dict[str, Pipeline]:
    """Find every pipeline by name; `__default__` is the whole lifecycle."""
    pipelines = find_pipelines(raise_errors=True)
    stages = {name: pipelines[name] for name in LIFECYCLE if name in pipelines}
    drawn = _picture(stages) if os.environ.get(GROUPED) else stages
    return pipelines | {"__default__": sum(drawn.values(), Pipeline([]))}


def _picture(stages: dict[str, Pipeline]) -> dict[str, Pipeline]:
    """Put the nodes of each stage into one group, with the main data alone between the groups."""
    uses = [dataset for stage in stages.values() for dataset in stage.datasets()]
    shared = {dataset for dataset in uses if uses.count(dataset) > 1}
    return {name: _group(stage, name, shared) for name, stage in stages.items()}


def _group(stage: Pipeline, name: str, shared: set[str]) -> Pipeline:
    between = stage.inputs() | stage.outputs() | shared
    hidden = {dataset for dataset in between - SHOWN if not dataset.startswith("params:")}
    nodes = [_without(node, hidden) for node in stage.nodes]
    return Pipeline(nodes, namespace=name, prefix_datasets_with_namespace=False)


def _without(node: Node, hidden: set[str]) -> Node:
    @wraps(node.func)
    def function(*given: Any) -> Any:
        return node.func(*given)

    vars(function)["__signature__"] = signature(function, follow_wrapped=False)  # not the original's
    inputs = [dataset for dataset in node.inputs if dataset not in hidden]
    outputs = [dataset for dataset in node.outputs if dataset not in hidden]
    return Node(function, inputs, outputs, name=node.name)

import os
from typing import Final

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

LIFECYCLE: Final = ("collect", "featurize", "label", "train", "evaluate", "deliver", "monitor", "report")
"""What `kedro run` does; the order of the nodes follows from their inputs and outputs."""

GROUPED: Final = "CU_PIPELINE_GROUP_STAGES"
"""Environment variable that puts the nodes of each stage into one group, for pictures: `make viz` sets it."""


def register_pipelines() -> dict[str, Pipeline]:
    """Find every pipeline by name; `__default__` is the whole lifecycle."""
    pipelines = find_pipelines(raise_errors=True)
    stages = {name: pipelines[name] for name in LIFECYCLE if name in pipelines}
    if os.environ.get(GROUPED):
        stages = {name: _grouped(stage, name) for name, stage in stages.items()}
    return pipelines | {"__default__": sum(stages.values(), Pipeline([]))}


def _grouped(stage: Pipeline, name: str) -> Pipeline:
    return Pipeline(stage, namespace=name, prefix_datasets_with_namespace=False)

from typing import Final

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

LIFECYCLE: Final = ("collect", "label", "featurize", "train", "evaluate", "deliver", "monitor", "report")
"""What `kedro run` does; the order of the nodes follows from their inputs and outputs."""


def register_pipelines() -> dict[str, Pipeline]:
    """Give every pipeline by name; `__default__` is the whole lifecycle."""
    pipelines = find_pipelines(raise_errors=True)
    present = [pipelines[name] for name in LIFECYCLE if name in pipelines]
    return pipelines | {"__default__": sum(present, Pipeline([]))}

"""What the hooks of one run share."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kedro.framework.context import KedroContext
from kedro.pipeline import Pipeline

from cu_pipeline.tracking.catalog_files import CatalogFile, catalog_files

_logger = logging.getLogger(__name__)

Ended = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass
class Run:
    """The run that is under way.

    Attributes:
        context: Kedro's.
        pipeline: the nodes that run.
        stages: registered pipeline -> names of its nodes.
        files: the datasets of the catalog that lie in files.
        name: of its pipelines; shown by MLflow.
        run_id: MLflow's; "" before it is known.
        started: seconds of the monotonic clock.
        done: nodes that ran to their end, in order.
        seconds: pipeline -> seconds that its nodes took, the saving of their outputs included.
        tags: for MLflow.
        endings: what must happen however the run ends; the last added comes first.
    """

    context: KedroContext
    pipeline: Pipeline
    stages: dict[str, set[str]]
    files: dict[str, CatalogFile]
    name: str
    run_id: str = ""
    started: float = field(default_factory=time.perf_counter)
    done: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    tags: dict[str, str] = field(default_factory=dict)
    endings: list[Callable[[Ended, str], None]] = field(default_factory=list)

    @classmethod
    def of(cls, context: KedroContext, pipeline: Pipeline, names: list[str] | None) -> "Run":
        """Begin a run of the named pipelines; none named: of the whole lifecycle."""
        from kedro.framework.project import pipelines

        stages = {name: {node.name for node in one.nodes} for name, one in pipelines.items() if name != "__default__"}
        files = catalog_files(context.config_loader["catalog"])
        places = {node.name: place for place, node in enumerate(pipeline.nodes)}
        first = {name: min((places.get(node, 0) for node in stages.get(name, ())), default=0) for name in names or []}
        name = "+".join(sorted(first, key=lambda one: (first[one], one))) or "lifecycle"
        return cls(context, pipeline, stages, files, name)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return Path(self.context.project_path)

    def stage_of(self, node: str) -> str:
        """Name the registered pipeline that a node belongs to."""
        return next((name for name, nodes in self.stages.items() if node in nodes), "other")

    def read(self) -> set[str]:
        """Name the datasets and parameters that the nodes which ran have read."""
        return {name for node in self.pipeline.nodes if node.name in self.done for name in node.inputs}

    def parameters(self, read: set[str]) -> set[str]:
        """Name the parameters, dotted where narrow, among what nodes read."""
        if "parameters" in read:
            return set(self.context.config_loader["parameters"])
        return {name.removeprefix("params:") for name in read if name.startswith("params:")}

    def written(self) -> set[str]:
        """Name the datasets that the nodes which ran have written."""
        return {name for node in self.pipeline.nodes if node.name in self.done for name in node.outputs}


class RunState:
    """Holds the run that is under way, if one is; shared by all hooks of a process."""

    def __init__(self) -> None:
        self.run: Run | None = None

    def end(self, status: Ended, error: str = "") -> None:
        """Let go of what the run holds; without effect when none is under way."""
        run, self.run = self.run, None
        while run and run.endings:
            try:
                run.endings.pop()(status, error)
            except Exception as problem:  # what ended the run matters more
                _logger.warning("MLflow was not told how the run ended: %s", str(problem).partition("\n")[0])

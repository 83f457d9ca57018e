"""What happens around every run: lock, MLflow run, progress, DVC record, summary."""

import logging
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from cu_pipeline.core import counters
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.reports.model_figures import metrics_pictures
from cu_pipeline.tracking import dvc_lock, facts, mlflow_run, params_file, snapshot
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.config_loader import STAGE_VARIABLE
from cu_pipeline.tracking.dvc_hash import dvc_md5
from cu_pipeline.tracking.run_lock import RunLock
from cu_pipeline.tracking.strays import tidy
from cu_pipeline.tracking.summary import next_steps, summary

_logger = logging.getLogger(__name__)

_HUB_ENVIRONMENTS = frozenset({"gpu", "cluster"})
_LIFECYCLE = "lifecycle"
_ARTIFACTS = (
    *("report", "data_card_page", "data_card", "drift_report", "metrics", "gate", "drift", "delivery", "rejects"),
    "training_history",
)


@dataclass
class _Run:
    """The run that is under way."""

    context: KedroContext
    pipeline: Pipeline
    stages: dict[str, set[str]]
    lock: RunLock
    run_id: str = ""
    started: float = field(default_factory=time.perf_counter)
    running: tuple[str, float] | None = None
    done: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def root(self) -> Path:
        return Path(self.context.project_path)

    def clock(self, node: str | None) -> None:
        """Charge the time since the last node started to its pipeline, the saving of its outputs included."""
        now = time.perf_counter()
        if self.running:
            before, since = self.running
            self.seconds[self.stage_of(before)] += now - since
        self.running = (node, now) if node else None

    def stage_of(self, node: str) -> str:
        """Give the registered pipeline that a node belongs to."""
        return next((name for name, nodes in self.stages.items() if node in nodes), "other")

    def complete_stages(self) -> list[str]:
        """Give the registered pipelines whose every node ran, with the files that `dvc.yaml` names."""
        loader = self.context.config_loader
        files, base = catalog_files(loader["catalog"]), catalog_files(loader.base_catalog())
        moved = {name for name in files | base if files.get(name) != base.get(name)}
        elsewhere = {node.name for node in self.pipeline.nodes if moved.intersection([*node.inputs, *node.outputs])}
        usable = set(self.done) - elsewhere
        return [name for name, nodes in self.stages.items() if nodes and nodes <= usable]

    def written(self) -> set[str]:
        """Give the datasets that the nodes which ran have written."""
        return {name for node in self.pipeline.nodes if node.name in self.done for name in node.outputs}


class ProjectHooks:
    """Kedro's hooks of this project."""

    def __init__(self) -> None:
        self._context: KedroContext | None = None
        self._run: _Run | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Fix the folder that stored paths start from, and keep models off the hub where none are needed."""
        self._context = context
        os.environ[ROOT_VARIABLE] = str(context.project_path)
        if context.env not in _HUB_ENVIRONMENTS:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Take the lock, start counting from 0 and start the MLflow run."""
        if self._context is None:
            raise RuntimeError("a pipeline runs without a context: start it through a Kedro session")
        self.abandon("KILLED")
        root = Path(self._context.project_path)
        lock = RunLock(root)
        lock.acquire()
        self._run = _Run(self._context, pipeline, _stages(), lock)
        counters.reset()
        _put_in_order(self._run)
        name = "+".join(sorted(run_params["pipeline_names"] or [])) or _LIFECYCLE
        tags = facts.run_facts(root) | {"pipeline": name, "env": str(self._context.env or "local")}
        if stage := os.environ.get(STAGE_VARIABLE):
            tags["dvc.stage"] = stage
        with mlflow_run.no_space_told(root):
            self._run.run_id = mlflow_run.start(root, name, tags)
            mlflow_run.log_params(self._context.params)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Say which node starts."""
        if run := self._run:
            run.clock(node.name)
            number, total = len(run.done) + 1, len(run.pipeline.nodes)
            _logger.info("[%d/%d] %s: %s", number, total, run.stage_of(node.name), node.name)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Note that the node ran to its end."""
        if run := self._run:
            run.done.append(node.name)

    @hook_impl
    def on_node_error(self, error: Exception, node: Node) -> None:
        """Note the node on the error."""
        error.add_note(f"node: {node.name}")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """End the MLflow run as failed, with the error."""
        text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
        self.abandon("FAILED", text)

    @hook_impl
    def after_pipeline_run(self, catalog: Any) -> None:
        """Record the run in DVC and MLflow, say what came out, and give the lock back."""
        run = self._run
        if run is None:
            return
        run.clock(None)
        with mlflow_run.no_space_told(run.root):
            _record_data(run)
            _record_results(run, catalog)
            seconds = dict(run.seconds) | {"total": time.perf_counter() - run.started}
            mlflow_run.log_metrics({f"seconds/{name}": value for name, value in seconds.items()})
            mlflow_run.finish("FINISHED")
        steps = _next_steps(run, catalog)
        run.lock.release()
        self._run = None
        _logger.info("%s", summary(seconds, counters.counts(), _report(run), run.run_id, steps))

    def abandon(self, status: mlflow_run.Status, error: str = "") -> None:
        """End a run that did not come to its end; without effect when none is under way."""
        run, self._run = self._run, None
        if run is None:
            return
        try:
            if run.run_id:
                with mlflow_run.no_space_told(run.root):
                    mlflow_run.log_metrics(_counts())
                    mlflow_run.finish(status, error)
        except Exception as problem:  # what ended the run matters more
            _logger.warning("MLflow was not told how the run ended: %s", str(problem).partition("\n")[0])
        finally:
            run.lock.release()


def _stages() -> dict[str, set[str]]:
    from kedro.framework.project import pipelines

    return {name: {node.name for node in found.nodes} for name, found in pipelines.items() if name != "__default__"}


def _put_in_order(run: _Run) -> None:
    """Clear up after a run that was killed, and note the version of the data that `dvc repro` or git brought."""
    tidy(run.root, catalog_files(run.context.config_loader["catalog"]).values())
    if STAGE_VARIABLE not in os.environ:
        dvc_lock.repair(run.root)
        snapshot.record(run.root, _table_paths(run))


def _table_paths(run: _Run) -> dict[str, str]:
    return snapshot.table_paths(catalog_files(run.context.config_loader.base_catalog()))


def _record_data(run: _Run) -> None:
    recorded: dict[str, str] = {}
    if STAGE_VARIABLE not in os.environ:
        loader, stages = run.context.config_loader, run.complete_stages()
        params_file.record(run.root, loader.base_parameters(), loader["parameters"], _parameter_keys(run))
        started = time.perf_counter()
        if dvc_lock.commit(run.root, stages):
            run.seconds["dvc commit"] = time.perf_counter() - started
            recorded = dvc_lock.hashes(run.root, stages)
            _record_snapshot(run)
    mlflow_run.set_tags({f"dvc.{path}": md5 for path, md5 in _hashes(run, recorded).items()} | facts.end_facts())


def _record_snapshot(run: _Run) -> None:
    if added := snapshot.record(run.root, _table_paths(run), run.run_id):
        counts = ", ".join(f"{name} {number:,}" for name, number in added.counts.items())
        _logger.info("the data changed: snapshot %s (%s)", added.id, counts)
        mlflow_run.set_tags({"snapshot": added.id})


def _hashes(run: _Run, recorded: dict[str, str]) -> dict[str, str]:
    """Give path -> DVC's hash of the data that the nodes read and wrote, computed where it is not `recorded`."""
    files = catalog_files(run.context.config_loader["catalog"])
    used = {name for node in run.pipeline.nodes if node.name in run.done for name in [*node.inputs, *node.outputs]}
    paths = sorted(files[name].path for name in used if name in files and files[name].tracked)
    hashes = {path: recorded.get(path) or dvc_md5(run.root / path) for path in paths}
    return recorded | {path: md5 for path, md5 in hashes.items() if md5}


def _record_results(run: _Run, catalog: Any) -> None:
    written, files = run.written(), catalog_files(run.context.config_loader["catalog"])
    mlflow_run.log_metrics(_counts())
    if "metrics" in written:
        metrics = catalog.load("metrics")
        mlflow_run.log_metrics(mlflow_run.evaluation_metrics(metrics))
        mlflow_run.log_pictures(metrics_pictures(metrics), "figures")
    if "training_history" in written:
        mlflow_run.log_curves(catalog.load("training_history"))
    names = [name for name in _ARTIFACTS if name in written and name in files]
    mlflow_run.log_files(run.root / files[name].path for name in names)


def _next_steps(run: _Run, catalog: Any) -> dict[str, str]:
    written = run.written()
    waiting = catalog.load("capabilities_resolved").waiting if "capabilities_resolved" in written else {}
    served = "delivery" not in written or bool(catalog.load("delivery")["capabilities"])
    return next_steps(waiting, served=served)


def _parameter_keys(run: _Run) -> set[str]:
    """Give the top-level parameters that the nodes which ran read."""
    read = {name for node in run.pipeline.nodes if node.name in run.done for name in node.inputs}
    if "parameters" in read:
        return set(run.context.config_loader["parameters"])
    return {name.removeprefix("params:").split(".")[0] for name in read if name.startswith("params:")}


def _counts() -> dict[str, float]:
    return {f"counters/{name}": float(value) for name, value in counters.counts().items()}


def _report(run: _Run) -> Path | None:
    files = catalog_files(run.context.config_loader["catalog"])
    path = run.root / files["report"].path if "report" in files else None
    return path if path and path.is_file() else None

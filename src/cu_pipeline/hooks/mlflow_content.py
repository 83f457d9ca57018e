"""What goes to MLflow of the datasets whose catalog entry says so: `metadata: {mlflow: [KIND, …]}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.keys import file_key, tracking_key
from cu_pipeline.hooks.run_state import Run
from cu_pipeline.reports import run_pictures
from cu_pipeline.tracking import logged_datasets, logged_models, mlflow_run, run_metrics, run_note
from cu_pipeline.tracking.capability_runs import CapabilityRuns

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

FILE: Final = "artifact"
"""The kind that logs a dataset's file."""


@dataclass
class Logged:
    """What was logged of a run, for what is logged after it.

    Attributes:
        run: the run.
        capabilities: its runs for each capability.
        load: dataset -> its content.
        models: capability -> id of the model that the run trained.
        splits: clip_id -> split.
        datasets: split -> the labels that models learned from or were tested on.
        metrics: of the run.
        gate: the `gate` dataset.
        measured: the capabilities that were measured.
    """

    run: Run
    capabilities: CapabilityRuns
    load: Callable[[str], Any]
    models: dict[str, str] = field(default_factory=dict)
    splits: Mapping[str, str] = field(default_factory=dict)
    datasets: "dict[str, DatasetInput]" = field(default_factory=dict)
    metrics: run_metrics.Numbers = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    measured: tuple[str, ...] = ()

    def add(self, metrics: run_metrics.Numbers) -> None:
        """Log metrics of the whole run."""
        mlflow_run.log_metrics(metrics)
        self.metrics |= metrics


def _splits(log: Logged, name: str) -> None:
    clips = log.load(name)
    log.splits = dict(zip(clips["clip_id"], clips["split"], strict=True))


def _labels(log: Logged, name: str) -> None:
    path = log.run.files[name].path
    md5 = log.run.tags.get(f"{mlflow_run.DATA}{path}", "")
    if md5 and log.splits:
        log.datasets = logged_datasets.labelled_splits(log.load(name), log.splits, path, md5)
        logged_datasets.log(log.datasets.values())


def _models(log: Logged, name: str) -> None:
    folder = log.run.root / log.run.files[name].path
    for capability, bundle in log.load(name).items():
        files = folder / file_key(capability)
        log.models[capability] = logged_models.create(
            files, capability, bundle.version, bundle.family, list(bundle.inputs)
        )


def _metrics(log: Logged, name: str) -> None:
    report = log.load(name)
    log.add(run_metrics.main_metrics(report))
    log.measured = tuple(capability for capability, found in report.items() if "test" in found)
    for capability, found in report.items():
        model = log.models.get(capability) or _earlier_model(capability, found)
        for split, numbers in run_metrics.model_metrics(found).items():
            dataset = None if split == "cross_fitted" else log.datasets.get(split)
            log.capabilities.log(capability, numbers, model, dataset)


def _earlier_model(capability: str, found: Mapping[str, Any]) -> str | None:
    """Find the model that was measured where an earlier run trained it."""
    version = found.get("challenger", found).get("model_version", "")
    model = logged_models.find(capability, version) if version else None
    return model.model_id if model else None


def _gate(log: Logged, name: str) -> None:
    log.gate = log.load(name)
    for capability, row in log.gate.items():
        main, others = run_metrics.gate_metrics(row)
        log.add({f"{tracking_key(capability)}/gate/{key}": value for key, value in main.items()})
        log.capabilities.log(capability, {f"gate/{key}": value for key, value in others.items()})


def _training(log: Logged, name: str) -> None:
    history = log.load(name)
    for capability, rows in history.items():
        log.capabilities.log_steps(capability, rows)
    mlflow_run.log_pictures(run_pictures.training_pictures(history), "figures")


def _selection(log: Logged, name: str) -> None:
    for capability, rows in log.load(name).items():
        log.capabilities.log(capability, run_metrics.selection_metrics(rows))


def _pictures(draw: Callable[[Any], Any], log: Logged, name: str) -> None:
    mlflow_run.log_pictures(draw(log.load(name)), "figures")


def _numbers(measure: Callable[[Any], run_metrics.Numbers], log: Logged, name: str) -> None:
    log.add(measure(log.load(name)))


KINDS: Final[dict[str, Callable[[Logged, str], None]]] = {
    "splits": _splits,
    "labels": _labels,
    "models": _models,
    "metrics": _metrics,
    "gate": _gate,
    "curves": _training,
    "selection": _selection,
    "figures": partial(_pictures, run_pictures.metrics_pictures),
    "insights": partial(_pictures, run_pictures.insight_pictures),
    "drift": partial(_numbers, run_metrics.drift_metrics),
    "money": partial(_numbers, run_metrics.money_metrics),
}
"""Kind -> what logs a dataset of it, in the order in which they are called."""

_READ: Final = ("splits", "labels")
"""Kinds that tell what a run read; others tell what it wrote."""

_STANDING: Final = ("money",)
"""Kinds that are logged of a run which trains or measures, whatever wrote the file."""


def log_content(run: Run, catalog: Any) -> str:
    """Log what the catalog declares of the datasets that the run wrote.

    Returns:
        What came out, as Markdown.
    """
    written, read = run.written(), run.read()
    with CapabilityRuns() as capabilities:
        log = Logged(run, capabilities, catalog.load)
        for kind, tell in KINDS.items():
            used = read if kind in _READ else written
            for name, file in run.files.items():
                standing = kind in _STANDING and log.measured and (run.root / file.path).is_file()
                if kind in file.mlflow and (name in used or standing):
                    tell(log, name)
    mlflow_run.log_files(_files(run, written))
    return run_note.results(log.metrics, log.gate, log.measured)


def _files(run: Run, written: set[str]) -> list[Path]:
    return [run.root / file.path for name, file in run.files.items() if name in written and FILE in file.mlflow]

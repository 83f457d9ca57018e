"""What goes to MLflow of the datasets whose catalog entry says so: `metadata: {mlflow: [KIND, …]}`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.keys import file_key, tracking_key
from cu_pipeline.hooks.run_state import Run
from cu_pipeline.reports import run_pictures
from cu_pipeline.tracking import logged_datasets, logged_models, mlflow_run, registry, run_metrics, run_note
from cu_pipeline.tracking.capability_runs import CapabilityRuns
from cu_pipeline.tracking.dvc_lock import dvc_md5

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

FILE: Final = "artifact"
"""The kind that logs a dataset's file."""


@dataclass
class Logged:
    """What was logged of a run, for what is logged after it.

    Attributes:
        run: the run.
        load: dataset -> its content.
        capabilities: its runs for each capability.
        models: capability -> id of the model that the run trained.
        versions: capability -> version of the bundle that was measured, and its model's id.
        metrics: of the run.
        gate: the `gate` dataset.
        measured: the capabilities that were measured.
    """

    run: Run
    load: Callable[[str], Any]
    capabilities: CapabilityRuns = field(default_factory=CapabilityRuns)
    models: dict[str, str] = field(default_factory=dict)
    versions: dict[str, tuple[str, str]] = field(default_factory=dict)
    metrics: run_metrics.Numbers = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    measured: tuple[str, ...] = ()

    def add(self, metrics: run_metrics.Numbers) -> None:
        """Log metrics of the whole run, rounded."""
        mlflow_run.log_metrics(run_metrics.shown(metrics))
        self.metrics |= metrics

    @cached_property
    def datasets(self) -> "dict[str, DatasetInput]":
        """Split -> the labels that models learned from or were tested on; they are logged as the run's inputs."""
        labels, clips = self._of_kind("labels"), self._of_kind("splits")
        if not labels or not clips:
            return {}
        path = self.run.files[labels].path
        table, splits = self.load(labels), self.load(clips)[["clip_id", "split"]]
        found = logged_datasets.labelled_splits(table, splits, path, dvc_md5(self.run.root / path) or "")
        logged_datasets.log(found.values())
        return found

    def _of_kind(self, kind: str) -> str:
        """The dataset of a kind that lies in a file; "" where there is none."""
        files = self.run.files.items()
        return next((name for name, file in files if kind in file.mlflow and (self.run.root / file.path).is_file()), "")


def _models(log: Logged, name: str, bundles: Any) -> None:
    folder = log.run.root / log.run.files[name].path
    for capability, bundle in bundles.items():
        files = folder / file_key(capability)
        log.models[capability] = logged_models.create(
            files, capability, bundle.version, bundle.family, list(bundle.inputs)
        )


def _metrics(log: Logged, _: str, report: Any) -> None:
    log.add(run_metrics.main_metrics(report))
    log.measured = tuple(capability for capability, found in report.items() if "test" in found)
    for capability, found in report.items():
        version = found.get("challenger", found).get("model_version", "")
        model = log.models.get(capability) or _earlier_model(capability, version)
        if model:
            log.versions[capability] = version, model
        for split, numbers in run_metrics.model_metrics(found).items():
            log.capabilities.log(capability, numbers, model, log.datasets.get(split))


def _earlier_model(capability: str, version: str) -> str | None:
    """Find the model that was measured where an earlier run trained it."""
    model = logged_models.find(capability, version) if version else None
    return model.model_id if model else None


def _gate(log: Logged, _: str, decisions: Any) -> None:
    log.gate = decisions
    for capability, row in decisions.items():
        main, others = run_metrics.gate_metrics(row)
        log.add({f"{tracking_key(capability)}/gate/{key}": value for key, value in main.items()})
        log.capabilities.log(capability, {f"gate/{key}": value for key, value in others.items()})


def _training(log: Logged, _: str, history: Any) -> None:
    for capability, rows in history.items():
        log.capabilities.log_steps(capability, rows)
    mlflow_run.log_pictures(run_pictures.training_pictures(history), "figures")


def _selection(log: Logged, _: str, report: Any) -> None:
    for capability, rows in report.items():
        log.capabilities.log(capability, run_metrics.selection_metrics(rows))


def _pictures(draw: Callable[[Any], run_pictures.Pictures], _log: Logged, _: str, content: Any) -> None:
    mlflow_run.log_pictures(draw(content), "figures")


def _numbers(measure: Callable[[Any], run_metrics.Numbers], log: Logged, _: str, content: Any) -> None:
    log.add(measure(content))


Tell = Callable[[Logged, str, Any], None]

_AT_ONCE: Final[dict[str, Tell]] = {"models": _models, "metrics": _metrics}
"""Kinds that are logged as soon as a dataset is saved: later nodes register models, with what was measured of them."""

_AT_THE_END: Final[dict[str, Tell]] = {
    "gate": _gate,
    "curves": _training,
    "selection": _selection,
    "figures": partial(_pictures, run_pictures.metrics_pictures),
    "insights": partial(_pictures, run_pictures.insight_pictures),
    "drift": partial(_numbers, run_metrics.drift_metrics),
}

_STANDING: Final[dict[str, Tell]] = {"money": partial(_numbers, run_metrics.money_metrics)}
"""Kinds that are logged of every run that measures models, whatever run wrote the file."""

_BESIDE: Final = ("splits", "labels")
"""Kinds of tables that together tell the data of a run; they are logged with the first numbers."""

KINDS: Final = (FILE, *_BESIDE, *_AT_ONCE, *_AT_THE_END, *_STANDING)
"""All kinds of what is logged of a dataset."""


def log_saved(log: Logged, name: str, content: Any) -> None:
    """Log what must be in MLflow as soon as a dataset is saved."""
    kinds = log.run.files[name].mlflow if name in log.run.files else ()
    for kind, tell in _AT_ONCE.items():
        if kind in kinds:
            tell(log, name, content)


def log_content(log: Logged) -> str:
    """Log the rest of what the catalog declares of the datasets that the run wrote.

    Returns:
        What came out, as Markdown.
    """
    run, written = log.run, log.run.written()
    for kind, tell in (_AT_THE_END | _STANDING).items():
        for name, file in run.files.items():
            standing = kind in _STANDING and log.measured and (run.root / file.path).is_file()
            if kind in file.mlflow and (name in written or standing):
                tell(log, name, log.load(name))
    for capability, (version, model_id) in log.versions.items():
        registry.describe(capability, version)
        if known := registry.find(capability, version):
            logged_models.name_version(model_id, registry.model_name(capability), known.version)
    logged = (run.root / file.path for name, file in run.files.items() if name in written and FILE in file.mlflow)
    mlflow_run.log_files(logged)
    return run_note.results(log.metrics, log.gate, log.measured)

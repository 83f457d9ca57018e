"""MLflow's LoggedModels: each bundle of each run, with its files and what was measured of it, promoted or not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking.mlflow_run import EXPERIMENT, configure

if TYPE_CHECKING:
    from mlflow import MlflowClient

TOLD: Final = ("accuracy", "macro_f1", "ece", "log_loss")
"""The metrics that a registered version is tagged with: of the test split."""


@dataclass(frozen=True)
class LoggedModel:
    """One bundle that a run trained.

    Attributes:
        model_id: MLflow's.
        capability: that it recognises.
        bundle_version: content hash of the bundle.
        family: of the model.
        run_id: the run that trained it.
        run_name: the name of that run; "" where it was deleted.
        created: when it was logged.
        metrics: name -> value, as last measured; `accuracy` is the test split's.
        source: address of its files.
    """

    model_id: str
    capability: str
    bundle_version: str
    family: str
    run_id: str
    run_name: str
    created: datetime
    metrics: dict[str, float] = field(default_factory=dict)
    source: str = ""


def find(capability: str, bundle_version: str) -> LoggedModel | None:
    """Find the newest model that is a bundle; None where no run logged it."""
    return next((one for one in all_of(capability) if one.bundle_version == bundle_version), None)


def all_of(capability: str) -> list[LoggedModel]:
    """List the models of a capability, the newest first."""
    configure(project_root())
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    newest: list[dict[str, Any]] = [{"field_name": "creation_timestamp", "ascending": False}]
    found = client.search_logged_models([experiment.experiment_id], None, None, 1000, newest)
    return [_read(client, one) for one in found if one.tags.get("capability") == capability]


def in_words(model: LoggedModel) -> str:
    """Tell what a model is: its family, the run that made it, and its accuracy on the test split."""
    numbers = model.metrics
    text = f"{model.family}, trained by the run {model.run_name or model.run_id}"
    if "accuracy" not in numbers:
        return text
    ends = [numbers[name] for name in ("accuracy_low", "accuracy_high") if name in numbers]
    interval = f" ({ends[0]:.3f} – {ends[1]:.3f})" if len(ends) == 2 else ""
    return f"{text}; test accuracy {numbers['accuracy']:.3f}{interval}"


def _read(client: "MlflowClient", found: Any) -> LoggedModel:
    return LoggedModel(
        found.model_id,
        found.tags["capability"],
        found.tags.get("bundle_version", ""),
        found.tags.get("family", ""),
        found.source_run_id or "",
        str(client.get_run(found.source_run_id).info.run_name) if found.source_run_id else "",
        datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        {metric.key: metric.value for metric in found.metrics or []},
        f"models:/{found.model_id}",
    )

"""MLflow runs whose process ended without a word (`kill -9`, a power cut) and that MLflow still shows as running."""

import logging
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.tracking.mlflow_run import PARENT, PIPELINE, configure, search, tracks_locally

if TYPE_CHECKING:
    from mlflow.entities import Run

OWNER_HOST: Final = "owner.host"
OWNER_PROJECT: Final = "owner.project"
_ERROR: Final = "killed: its process ended without a word; a later run of the project closed it"
_logger = logging.getLogger(__name__)


def owner_tags(root: Path) -> dict[str, str]:
    """Make the tags by which a project knows its own runs on a server that colleagues share."""
    return {OWNER_HOST: socket.gethostname(), OWNER_PROJECT: str(root.resolve())}


def is_own(run: "Run", root: Path) -> bool:
    """Whether a run of pipelines is this project's on this machine; in its own database all of them are."""
    tags = run.data.tags
    if tracks_locally(root):
        return PIPELINE in tags
    return all(tags.get(name) == value for name, value in owner_tags(root).items())


def close_abandoned(root: Path) -> int:
    """Close as KILLED the project's runs that MLflow shows as running, with the runs nested in them.

    Only for the holder of the project's run lock, which proves that no other run of the project is alive.

    Args:
        root: the project's folder.

    Returns:
        How many were closed, nested ones left out.

    Raises:
        TrackingError: MLflow's server or database cannot be used.
    """
    configure(root)
    import mlflow

    client = mlflow.MlflowClient()
    running = search(client, "attributes.status = 'RUNNING'")
    left = [run for run in running if is_own(run, root)]
    ids = {run.info.run_id for run in left}
    nested = [run for run in running if run.data.tags.get(PARENT) in ids]
    for run in [*nested, *left]:  # in this order, so that a crash leaves none behind
        client.set_tag(run.info.run_id, "error", _ERROR)
        client.set_terminated(run.info.run_id, "KILLED", _last_sign(run))
    for run in left:
        started = datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds")
        name = f"{run.info.run_name} {run.info.run_id}"
        _logger.warning("MLflow run %s, started %s, was killed: closed as KILLED", name, started)
    return len(left)


def _last_sign(run: "Run") -> int:
    """When the run was last heard of, ms: nobody knows when it ended, and now would make it last for days."""
    return max([run.info.start_time, *(metric.timestamp for metric in run.data._metric_objs)])

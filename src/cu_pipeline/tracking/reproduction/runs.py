"""Which run is repeated, and how much of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.errors import ReproductionError
from cu_pipeline.tracking import mlflow_run
from cu_pipeline.tracking.reproduction.record import FOLDER, RunRecord

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

MODEL_STAGES: Final = ("train", "evaluate")
"""What is repeated unless more is asked for: what makes and measures models."""

LATEST: Final = "latest"
_SHORTEST: Final = 4
_SHOWN: Final = 5
_BASE, _PERSONAL = "base", "local"


@dataclass(frozen=True)
class Recorded:
    """A run that can be repeated.

    Attributes:
        run_id: MLflow's.
        name: what MLflow calls it.
        started: when.
        commit: of its code.
        env: Kedro's environment in which it is repeated.
        record: what it left.
    """

    run_id: str
    name: str
    started: datetime
    commit: str
    env: str
    record: RunRecord


def find(root: Path, wanted: str) -> Recorded:
    """Find the run that a name means.

    Args:
        root: the project's folder.
        wanted: a run's id, its beginning, or `latest`.

    Raises:
        ReproductionError: there is none such, it cannot be repeated, or it is of an earlier version of this package.
        TrackingError: MLflow's server or database cannot be used.
    """
    database = mlflow_run.tracking_uri(root).removeprefix("sqlite:///")
    if mlflow_run.tracks_locally(root) and not Path(database).is_file():
        raise ReproductionError(f"{root} has no runs yet: `make run` makes the first")
    mlflow_run.configure(root)
    import mlflow

    client = mlflow.MlflowClient()
    run = _chosen(client, wanted)
    _check_ended(run)
    record, tags = RunRecord.read(client, run.info.run_id), run.data.tags
    if record is None:
        raise ReproductionError(
            f"run {run.info.run_id} left no artifacts {FOLDER}/: it is of an earlier version of this package, "
            "which did not record all that a repetition needs. Remedy: run it again at its commit "
            f"({tags.get('git.commit', 'not known')}; {tags.get('command', 'kedro run')}); newer runs can be reproduced"
        )
    if "git.commit" not in tags:
        raise ReproductionError(f"run {run.info.run_id} was made outside git, so its code cannot be brought back")
    started = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
    env = tags.get("env", _PERSONAL)
    env = _PERSONAL if env == _BASE else env  # whose files cannot be replaced by those of one run
    return Recorded(run.info.run_id, run.info.run_name, started, tags["git.commit"], env, record)


def _chosen(client: "MlflowClient", wanted: str) -> "Run":
    runs = mlflow_run.search(client, "")
    own = [run for run in runs if mlflow_run.PIPELINE in run.data.tags]
    if not runs:
        raise ReproductionError("this project's MLflow has no run yet: `make run` makes the first")
    if wanted == LATEST:
        found = [run for run in own if run.info.status == "FINISHED"][:1]
    else:
        found = [run for run in runs if len(wanted) >= _SHORTEST and run.info.run_id.startswith(wanted)]
    if len(found) == 1:
        parent = found[0].data.tags.get(mlflow_run.PARENT)
        if found[0] in own or not parent:
            return found[0]
        raise ReproductionError(f"run {found[0].info.run_id} is a part of another: `kedro reproduce {parent}`")
    last = "".join(f"\n  {run.info.run_id}  {run.info.run_name}" for run in own[:_SHOWN])
    absent = "no run has ended well" if wanted == LATEST else f"there is no run {wanted!r}"
    problem = f"{len(found)} runs begin with {wanted!r}" if found else absent
    where = "give an id, the beginning of one (four digits or more) or `latest`"
    raise ReproductionError(f"{problem} in this project's MLflow: {where}. The last runs:{last or ' none'}")


def _check_ended(run: "Run") -> None:
    status, error = run.info.status, run.data.tags.get("error", "").partition("\n")[0]
    if status == "RUNNING":
        raise ReproductionError(f"run {run.info.run_id} has not ended yet: wait for it")
    if status != "FINISHED":
        reason = f" ({error})" if error else ""
        raise ReproductionError(
            f"run {run.info.run_id} did not end well: {status}{reason}. It has no results to compare with: "
            "give one that MLflow shows as finished"
        )


def stages(recorded: Recorded, asked: Iterable[str], *, everything: bool) -> list[str]:
    """Choose the pipelines that are repeated.

    Args:
        recorded: the run.
        asked: their names; empty: those that make and measure models, or all where the run had none of them.
        everything: all that the run ran.

    Raises:
        ReproductionError: the run did not run one of them as a whole.
    """
    there = list(recorded.record.data.stages)
    wanted = list(asked)
    if unknown := [name for name in wanted if name not in there]:
        had = ", ".join(there) or "none"
        raise ReproductionError(f"run {recorded.run_id} did not run all of {', '.join(unknown)}. What it ran: {had}")
    if not there:
        raise ReproductionError(f"run {recorded.run_id} ran no pipeline as a whole: it cannot be repeated")
    models: list[str] = [] if everything else [name for name in MODEL_STAGES if name in there]
    return wanted or models or there

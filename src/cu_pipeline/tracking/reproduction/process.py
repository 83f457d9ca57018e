"""The repeated run, in a process of its own."""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.errors import ReproductionError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.tracking import mlflow_run
from cu_pipeline.tracking.configuration import STAGE_VARIABLE
from cu_pipeline.tracking.reproduction.record import RunRecord
from cu_pipeline.tracking.reproduction.runs import Recorded

_LOG: Final = "reproduction.log"
_PROGRESS: Final = re.compile(r"\[\d+/\d+\] |[\w ]+: [\d,]+ of [\d,]+ ")
"""Beginnings of lines that are passed on: which node runs, and how far a long one is."""

_TAIL: Final = 15


def run(recorded: Recorded, chosen: Iterable[str], project: Path, tell: Callable[[str], Any]) -> RunRecord:
    """Run the pipelines in a process of their own, and read what that run leaves.

    Args:
        recorded: the run that is repeated.
        chosen: the pipelines.
        project: the prepared folder.
        tell: takes lines about the progress.

    Raises:
        ReproductionError: the run stops.
    """
    command = [sys.executable, "-m", "kedro", "run", "--env", recorded.env, f"--pipelines={','.join(chosen)}"]
    log, last = project / _LOG, deque[str](maxlen=_TAIL)
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            command,
            cwd=project,
            env=_variables(project),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or []:
            kept.write(line)
            last.append(line.rstrip())
            if _PROGRESS.match(line):
                tell(line.rstrip())
    if process.returncode:
        raise ReproductionError("\n  ".join([f"the repeated run stopped ({log} has all of it):", *last]))
    return _left(project)


def _variables(project: Path) -> dict[str, str]:
    """The environment of the process: this one's, with the reproduction's code, and a database of its own."""
    hidden = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT", "KEDRO_ENV", STAGE_VARIABLE, ROOT_VARIABLE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return kept | {"PYTHONPATH": os.pathsep.join([str(project / "src"), kept.get("PYTHONPATH", "")]).strip(os.pathsep)}


def _left(project: Path) -> RunRecord:
    import mlflow

    database = project.resolve() / "mlruns" / mlflow_run.DATABASE
    client = mlflow.MlflowClient(f"sqlite:///{database}", f"sqlite:///{database}")
    runs = mlflow_run.search(client, f"tags.`{mlflow_run.PIPELINE}` != ''")
    record = RunRecord.read(client, runs[0].info.run_id) if runs else None
    if record is None:
        raise ReproductionError(f"the repeated run in {project} left no record")
    return record

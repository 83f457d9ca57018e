"""The start of the service: a failed one ends `bentoml serve` with one line and an exit code, whoever noticed it."""

import atexit
import os
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from cu_pipeline.core.errors import CuPipelineError
from cu_pipeline.service.environment import Settings
from cu_pipeline.service.workspace import RUN_VARIABLE, start_run

EXIT_CODE: Final = 1
STOP_S: Final = 20.0
"""Seconds that a failed worker waits for its supervisor to end it, so that no other one is started meanwhile."""

ORPHANED_S: Final = 1.0
"""Seconds between two looks of a worker at whether its supervisor is there."""

_FAILURE: Final = "failure"
_SUPERVISOR: Final = "CU_PIPELINE_SERVICE_SUPERVISOR"


def announce_start() -> None:
    """Check the settings, and make the folder that the workers share; runs in the supervisor, before any worker.

    Raises:
        SystemExit: the service cannot start.
    """
    try:
        Settings.from_environment().bundles_folder()
    except CuPipelineError as error:
        sys.exit(_line(str(error)))
    run = start_run()
    os.environ[RUN_VARIABLE] = str(run)
    os.environ[_SUPERVISOR] = str(os.getpid())
    atexit.register(_end_run, run, os.getpid())


def end_start(problem: str) -> NoReturn:
    """End the service from a worker that cannot start; runs where the worker is.

    Args:
        problem: what to tell.
    """
    run, supervisor = os.environ.get(RUN_VARIABLE), os.environ.get(_SUPERVISOR, "")
    if run is None or not supervisor.isdecimal() or int(supervisor) != os.getppid():
        sys.exit(_line(problem))
    with suppress(OSError):
        with (Path(run) / _FAILURE).open("x", encoding="utf-8") as stream:  # the first worker's is told
            stream.write(problem)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(STOP_S)
    os._exit(EXIT_CODE)


def end_with_supervisor() -> None:
    """End this worker as SIGTERM does once its supervisor was killed: it would go on to hold the port, unseen."""
    supervisor = os.environ.get(_SUPERVISOR, "")
    if supervisor.isdecimal() and int(supervisor) == os.getppid():
        threading.Thread(target=_follow, args=(int(supervisor),), name="supervisor", daemon=True).start()


def _follow(supervisor: int) -> None:
    while os.getppid() == supervisor:
        time.sleep(ORPHANED_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _end_run(run: Path, supervisor: int) -> None:
    if os.getpid() != supervisor:
        return  # a fork of it
    failure = run / _FAILURE
    problem = failure.read_text(encoding="utf-8") if failure.is_file() else ""
    shutil.rmtree(run, ignore_errors=True)
    if problem:
        sys.stderr.write(_line(problem) + "\n")
        sys.stderr.flush()
        os._exit(EXIT_CODE)


def _line(problem: str) -> str:
    return f"the service cannot start: {'; '.join(problem.splitlines())}"

"""Where requests' files lie while they are answered, and how those of killed workers are removed."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

RUN_VARIABLE: Final = "CU_PIPELINE_SERVICE_RUN"
"""The folder of one start of the service, told to its workers."""

_PREFIX: Final = "cu_pipeline-serve-"
_WORKER: Final = "worker-"


def start_run() -> Path:
    """Make the folder of one start of the service, and remove those of services that were killed."""
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_dead(folder.name.removeprefix(_PREFIX)) and not any(_alive_workers(folder)):
            shutil.rmtree(folder, ignore_errors=True)
    folder = parent / f"{_PREFIX}{_own_name()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class Workspace:
    """One worker's folder for what requests bring.

    Args:
        folder: of the worker, which is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls) -> "Workspace":
        """Make this process's folder, and remove those of former workers of the same service that are dead."""
        run = Path(os.environ.get(RUN_VARIABLE) or start_run())
        for former in run.glob(f"{_WORKER}*"):
            if _is_dead(former.name.removeprefix(_WORKER)):
                shutil.rmtree(former, ignore_errors=True)
        folder = run / f"{_WORKER}{_own_name()}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(folder)

    @property
    def run(self) -> Path:
        """The folder that all workers of the service share."""
        return self.folder.parent

    def request_folder(self) -> Path:
        """Make a folder for one request."""
        return Path(tempfile.mkdtemp(prefix="request-", dir=self.folder))

    def close(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()


def _own_name() -> str:
    """Name this process so that another one that gets its number later has another name."""
    return f"{os.getpid()}-{int(psutil.Process().create_time() * 1000)}"


def _alive_workers(run: Path) -> list[Path]:
    return [one for one in run.glob(f"{_WORKER}*") if not _is_dead(one.name.removeprefix(_WORKER))]


def _is_dead(name: str) -> bool:
    number, _, created = name.partition("-")
    if not number.isdecimal() or not created.isdecimal():
        return False  # not ours
    try:
        process = psutil.Process(int(number))
        return int(process.create_time() * 1000) != int(created) or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False

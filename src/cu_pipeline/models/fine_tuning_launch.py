"""Where the processes of a fit run: in this one, in several that accelerate starts here, or in workers of Ray Train."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.compute.ray_training import RayTraining, RayTrainingError
from cu_pipeline.core.errors import ConfigurationError, DivergedError
from cu_pipeline.core.paths import project_root
from cu_pipeline.features.checkpoint import device_of
from cu_pipeline.models.fine_tuning_options import FineTuningOptions
from cu_pipeline.models.fit_job import FitJob

OUT_OF_MEMORY: Final = "out_of_memory.txt"
"""What a process leaves whose device had too little memory."""

FAILURE: Final = "failure.txt"
DIVERGED: Final = "diverged.txt"
"""What a process says that cannot go on, in words."""

SAID: Final = "said.txt"
"""Warnings of a process on another machine, a line each."""

_log = logging.getLogger(__name__)

_cluster: ContextVar[RayTraining | None] = ContextVar("cluster", default=None)


class OutOfDeviceMemoryError(Exception):
    """A device had too little memory for its part of a step."""


@contextmanager
def fits_on(compute: ComputeOptions) -> Iterator[None]:
    """Let the fits of networks in the block run where work on clips does."""
    token = _cluster.set(RayTraining(compute.address, compute.workers) if compute.engine == "ray" else None)
    try:
        yield
    finally:
        _cluster.reset(token)


@dataclass(frozen=True)
class Launch:
    """How a fit runs.

    Attributes:
        processes: that share a step.
        threads: CPU threads of each.
        device: of all of them, `cpu` or `cuda`, or that of the options.
        cluster: has the processes; None: this machine.
    """

    processes: int
    threads: int
    device: str
    cluster: RayTraining | None = None

    @classmethod
    def of(cls, options: FineTuningOptions) -> Self:
        """Choose it: on a cluster as many workers as `compute` says, else as many processes as the options say.

        Raises:
            ConfigurationError: this machine has fewer GPUs than processes that want one.
        """
        import torch

        if (cluster := _cluster.get()) is not None:
            on_gpus = cluster.on_gpus(options.device)
            processes = cluster.shares(options.batch_size, on_gpus=on_gpus)
            threads = cluster.threads(processes, torch.get_num_threads())
            return cls(processes, threads, "cuda" if on_gpus else "cpu", cluster)
        on_gpu = device_of(options.device) != "cpu"
        devices = torch.cuda.device_count() if on_gpu else 1
        if on_gpu and options.processes > max(devices, 1):
            raise ConfigurationError(
                f"processes={options.processes} of a fit need a GPU each, and torch finds {devices}. Allowed: 1 to "
                f"{devices}, or 0, one for each GPU; or device: cpu"
            )
        return cls(options.processes or max(devices, 1), torch.get_num_threads(), options.device)

    def options_of(self, options: FineTuningOptions) -> dict[str, Any]:
        """The family's options as processes are told them, as JSON."""
        told = options.model_dump(mode="json")
        if self.cluster is None:
            return told
        folder = project_root() / Path(options.checkpoint.name).expanduser()
        name = str(folder) if folder.is_dir() else options.checkpoint.name  # workers start in another folder
        return told | {"device": self.device, "checkpoint": told["checkpoint"] | {"name": name}}

    def surroundings(self) -> dict[str, str]:
        """The kind of device, where that is not this machine's to say."""
        return {} if self.cluster is None else {"device": self.device}

    def run(self, job: FitJob, folder: Path) -> None:
        """Run the job of a folder to its end.

        Raises:
            OutOfDeviceMemoryError: a device has too little memory for the job's part of a step.
            ConfigurationError: a process failed.
            DivergedError: the loss ran away.
        """
        from cu_pipeline.models.fine_tuning_process import run, take_part_away

        for name in (FAILURE, DIVERGED, OUT_OF_MEMORY, SAID):
            (folder / name).unlink(missing_ok=True)
        if self.cluster is not None:
            _log.info("%s: %d workers of the Ray cluster, %d threads each", job.task, self.processes, job.threads)
            try:
                self.cluster.run(take_part_away, folder, workers=self.processes, on_gpus=self.device != "cpu")
            except RayTrainingError as error:
                _raise_told(folder)
                raise ConfigurationError(f"train.{job.task}: fitting failed in a worker: {error}") from error
            finally:
                _repeat(folder)
        elif self.processes == 1:
            run(folder)
        elif status := _accelerated(job, folder):
            _raise_told(folder)
            raise ConfigurationError(
                f"train.{job.task}.processes={job.processes}: one of them failed (status {status}); what it said "
                "stands above. With processes=1 it is fitted in this process"
            )


def _accelerated(job: FitJob, folder: Path) -> int:
    """Run the processes by accelerate; give its status."""
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(job.processes)]
    launcher += ["--num_machines", "1", "--main_process_port", "0", "--dynamo_backend", "no", "--mixed_precision", "no"]
    launcher += ["--cpu"] if device_of(job.options["device"]) == "cpu" else ["--multi_gpu"]
    command = [*launcher, "--module", "cu_pipeline.models.fine_tuning_process", str(folder)]
    inherited = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]))
    threads = {"OMP_NUM_THREADS": str(job.threads)}
    return subprocess.run(command, env=os.environ | threads | {"PYTHONPATH": inherited}, check=False).returncode


def _raise_told(folder: Path) -> None:
    """Raise what a process has told before it failed."""
    if (folder / OUT_OF_MEMORY).exists():
        raise OutOfDeviceMemoryError
    for name, error in {FAILURE: ConfigurationError, DIVERGED: DivergedError}.items():
        if (folder / name).exists():
            raise error((folder / name).read_text(encoding="utf-8"))


def _repeat(folder: Path) -> None:
    """Say what a process elsewhere has warned of."""
    if (folder / SAID).exists():
        for line in (folder / SAID).read_text(encoding="utf-8").splitlines():
            _log.warning("%s", line)

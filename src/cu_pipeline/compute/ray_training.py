"""Fits whose steps several workers of a Ray cluster share, as one process group of torch, by Ray Train."""

import logging
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cu_pipeline.compute.ray_actors import LOST, TRIES, lost_all
from cu_pipeline.compute.ray_cluster import connected, cores, gpus, joined
from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import ConfigurationError

_SETTINGS: Final = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
}
"""Ray Train's, read where a fit is started: folders mean what they mean elsewhere, and short fits end soon."""

_RUN: Final = "ray-train"
"""What Ray Train keeps of its own, in the folder of a fit."""

_ALONE: Final = re.compile(
    r"gloo/|Connection (closed|reset)|DistNetworkError|DistBackendError|ncclRemoteError|Broken pipe"
)
"""What a process says whose group has lost another one."""

_log = logging.getLogger(__name__)


class RayTraining:
    """Runs a fit on workers of a Ray cluster, one for each share of a step.

    Args:
        address: as `ray_cluster.connected` takes it.
        workers: as many at most; 0: one for each GPU of the cluster, or for each of its machines where none is wanted.
    """

    def __init__(self, address: str | None = None, workers: int = 0) -> None:
        self._address, self._workers = address, workers

    def on_gpus(self, device: str) -> bool:
        """Whether a fit that wants a device gets GPUs of the cluster."""
        return device != "cpu" and gpus(self._connected()) > 0

    def shares(self, batch: int, *, on_gpus: bool) -> int:
        """Say by how many workers a step is shared: a divisor of its clips, so that it has neither more nor fewer.

        Args:
            batch: clips of a step.
            on_gpus: whether each takes a GPU.
        """
        ray = self._connected()
        machines = sum(node["Alive"] for node in ray.nodes())
        most = min(self._workers or (gpus(ray) if on_gpus else machines), gpus(ray) if on_gpus else cores(ray), batch)
        return next(number for number in range(max(most, 1), 0, -1) if batch % number == 0)

    def threads(self, shares: int, most: int) -> int:
        """Say how many threads each worker computes with: those of this process, as far as there are cores for them."""
        found = usable_cores() if joined(self._address) is None else cores(self._connected())
        return max(min(most, found // shares), 1)

    def run(self, function: Callable[[Path], None], folder: Path, *, workers: int, on_gpus: bool) -> None:
        """Call a function in each worker, in a process group; after the loss of one in all of them again.

        Args:
            function: picklable, so defined at the top of an importable module; goes on from what it left in `folder`.
            folder: its argument, which all machines see under this name.
            workers: of the group.
            on_gpus: whether each takes a GPU.

        Raises:
            RayTrainingError: the function failed in a worker.
            ConfigurationError: no group can be started, or each one was lost.
        """
        ray = self._connected()
        os.environ.update({name: value for name, value in _SETTINGS.items() if name not in os.environ})
        for left in reversed(range(TRIES)):
            lost = _tried(ray, function, folder.absolute(), workers, on_gpus=on_gpus)
            if lost is None:
                return
            count(LOST)
            if not left:
                raise lost_all(lost)
            _log.warning("a worker of a fit on the Ray cluster was lost; all go on from the last checkpoint")

    def _connected(self) -> ModuleType:
        return connected(self._address, self._workers)


class RayTrainingError(Exception):
    """The function failed in a worker."""


def _tried(
    ray: ModuleType, function: Callable[[Path], None], folder: Path, workers: int, *, on_gpus: bool
) -> Exception | None:
    """Run a group to its end; give what became of a worker that was lost."""
    from ray.exceptions import RayError
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.config import LoggingConfig
    from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError, WorkerGroupError

    logging.getLogger("ray.train").setLevel(logging.ERROR)
    folder.mkdir(parents=True, exist_ok=True)

    class Interruptible(TorchTrainer):
        """Ray's answer to the first Ctrl-C would hide it from who called, and outlive the fit."""

        controller: Any = None

        def _register_sigint_handler(self, controller: Any) -> None:
            self.controller = controller

    trainer = Interruptible(
        _Part(function),
        train_loop_config={"folder": str(folder)},
        scaling_config=ScalingConfig(
            num_workers=workers, use_gpu=on_gpus, placement_strategy="PACK" if on_gpus else "SPREAD"
        ),
        run_config=RunConfig(
            name=_RUN,
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=1),
            logging_config=LoggingConfig("ERROR"),
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        faults = [one for one in error.worker_failures.values() if not _is_loss(one)]
        losses = [one for one in error.worker_failures.values() if _is_loss(one)]
        if losses or not faults:  # the others of its group fail with it
            return losses[0] if losses else error
        raise RayTrainingError(str(faults[0])) from error
    except ControllerError as error:
        raise _not_started(workers, error) from error
    except (TrainingFailedError, RayError) as error:
        return error
    except BaseException:
        if trainer.controller is not None:
            ray.kill(trainer.controller)  # its workers end with it
        raise
    return None


class _Part:
    """What Ray Train calls in each worker."""

    def __init__(self, function: Callable[[Path], None]) -> None:
        self._function = function

    def __call__(self, config: dict[str, str]) -> None:
        self._function(Path(config["folder"]))


def _is_loss(error: Exception) -> bool:
    """Whether a worker's end is none of its own fault: it was lost, or misses another one."""
    from ray.exceptions import RayError, RayTaskError

    cause = getattr(error, "health_check_failure", error)
    if isinstance(cause, RayError) and not isinstance(cause, RayTaskError):
        return True
    return _ALONE.search(str(error)) is not None


def _not_started(workers: int, error: Exception) -> ConfigurationError:
    said = " ".join(str(error).split())[:300]
    return ConfigurationError(
        f"the {workers} workers of a fit cannot start on the Ray cluster ({said}). They need a core (or a GPU) each, "
        "this package, and the project's folder on a disk that all its machines see. Remedy: fewer compute.workers, or "
        "`compute.engine: local`"
    )

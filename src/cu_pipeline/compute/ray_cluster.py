"""The Ray cluster that work goes to: one that is there, or one that this process starts on its machine and ends."""

import atexit
import logging
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from types import ModuleType
from typing import Final

from cu_pipeline.compute.worker_pool import usable_cores
from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.telemetry import switch_off

_STORE_BYTES: Final = 200 * 2**20
"""Shared memory of a cluster started here: what travels is paths and counts."""

_LONGEST: Final = 24
"""Characters of a folder in which Ray's sockets, whose names the system limits to 107, still have room."""

_QUIET: Final = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray's settings for this process: its own log says what concerns it, and GPUs are hidden from workers without one."""

_log = logging.getLogger(__name__)


def joined(address: str | None) -> str | None:
    """Say which cluster is joined: the given one, or that which `RAY_ADDRESS` names; None: one is started here.

    >>> joined("head:6379")
    'head:6379'
    """
    return address or ("auto" if os.environ.get("RAY_ADDRESS") else None)


def connected(address: str | None, workers: int) -> ModuleType:
    """Connect this process to a cluster, once, and give the module `ray`.

    Args:
        address: None starts a cluster on this machine, which ends with this process and which nothing else joins,
            unless `RAY_ADDRESS` names one; `auto` joins that, or the one that runs here; else `HOST:PORT` or
            `ray://HOST:PORT`.
        workers: cores that a cluster started here counts; 0: as many as this process may use.

    Raises:
        ConfigurationError: Ray is not installed, or there is no cluster at the address.
    """
    switch_off()
    address = joined(address)
    if address is None and "RAY_AUTH_MODE" not in os.environ:  # it listens on the machine's address
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ})
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(
            "parameter 'compute.engine' = 'ray': Ray is not installed. Remedy: `pip install 'cu-pipeline[ray]'`, or "
            "`compute.engine: local`"
        ) from error
    if not ray.is_initialized():
        logging.getLogger("ray").setLevel(logging.ERROR)
        if address is None:
            _start(ray, workers or usable_cores())
        else:
            _join(ray, address)
        resources = ray.cluster_resources()
        _log.info("Ray: %g cores on %d machine(s)", resources.get("CPU", 0), len(ray.nodes()))
    return ray


def cores(ray: ModuleType) -> int:
    """Count the cores of the cluster."""
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


def gpus(ray: ModuleType) -> int:
    """Count the GPUs of the cluster."""
    return int(ray.cluster_resources().get("GPU", 0))


def _start(ray: ModuleType, count: int) -> None:
    parent = tempfile.gettempdir()
    folder = tempfile.mkdtemp(  # of its own, so that no `auto` finds this cluster
        prefix="cu-ray-",
        dir=parent if len(parent) <= _LONGEST else "/tmp",  # noqa: S108 - mkdtemp
    )
    atexit.register(_end, ray, folder)
    try:
        ray.init(
            address="local", num_cpus=count, include_dashboard=False, object_store_memory=_STORE_BYTES,
            log_to_driver=False, configure_logging=False, _temp_dir=folder,
        )  # fmt: skip
    except Exception as error:  # Ray raises the bare class
        said = " ".join(str(error).split())[:200]
        raise ConfigurationError(
            f"parameter 'compute.engine' = 'ray': Ray does not start on this machine ({said}). "
            "Remedy: run again when others use it less, or `compute.engine: local`"
        ) from error


def _end(ray: ModuleType, folder: str) -> None:
    with suppress(Exception):  # the process ends, and what Ray has to say of that is of no use
        ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def _join(ray: ModuleType, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        said = hide_passwords(" ".join(str(error).split()))
        raise ConfigurationError(
            f"parameter 'compute.address' = {hide_passwords(address)!r}: no Ray cluster answers there ({said[:200]}). "
            "Remedy: start it (`ray start --head`), correct the address, or `compute.address: null` to start one here"
        ) from error

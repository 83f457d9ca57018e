"""A service that runs on this machine while something is done with it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import DeliveryError

STOP_TIMEOUT_S: Final = 10.0
LOG_TAIL: Final = 4

_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class RunningService:
    """A service that is ready.

    Attributes:
        url: its address.
        startup_s: seconds from its start until it was ready.
    """

    url: str
    startup_s: float


@contextmanager
def running(target: Path, variables: Mapping[str, str], *, output: Path, timeout_s: float) -> Iterator[RunningService]:
    """Run `bentoml serve` on a free port of this machine's loopback while the block runs.

    Args:
        target: what BentoML serves: the folder of a Bento or of a project.
        variables: the environment of the service.
        output: file for its output.
        timeout_s: how long it may take to become ready.

    Raises:
        DeliveryError: it does not become ready; the message ends with its last output.
    """
    port = _free_port()
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bentoml", "serve", str(target), "--host", "127.0.0.1", "--port", str(port)]
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509 - it only makes one system call
        )
        try:
            startup = _wait(process, port, output, timeout_s)
            yield RunningService(f"http://127.0.0.1:{port}", startup)
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that leads its group, and all of the group."""
    _signal(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_S)
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _end_with_parent() -> Callable[[], object] | None:
    """What a child calls to have Linux end it, should this process be killed before it can stop it."""
    if sys.platform != "linux":
        return None
    import ctypes

    call = ctypes.CDLL(None).prctl
    return lambda: call(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: "subprocess.Popen[bytes]", port: int, output: Path, timeout_s: float) -> float:
    import httpx

    start = time.monotonic()
    while (passed := time.monotonic() - start) < timeout_s:
        if process.poll() is not None:
            raise DeliveryError(f"the service ended with {process.returncode} before it was ready.{tail(output)}")
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5, trust_env=False).is_success:
                return passed
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    remedy = "Remedy: run again when the machine has less to do, or raise `deliver.start_timeout_s`"
    raise DeliveryError(f"the service was not ready after {timeout_s:g} s. {remedy}.{tail(output)}")


def tail(output: Path) -> str:
    """The end of a file of output, for an error."""
    text = output.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip()[:300] for line in text.splitlines() if line.strip()][-LOG_TAIL:]
    return f" The end of {output}:\n" + "\n".join(lines)

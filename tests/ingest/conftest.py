import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.servers.postgres import started

from cu_pipeline.core.progress import Bar


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(ready: Callable[[], bool], server: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        assert server.poll() is None
        if ready():
            return
        time.sleep(0.05)
    raise AssertionError(f"{server.args} does not answer")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def s3(serving: Callable[..., Any]) -> Iterator[str]:
    """Run an S3 server and give its address."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    port = free_port()
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with serving(*command, **quiet) as server:
        wait_until(lambda: listens(port), server)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[int]:
    """Run a PostgreSQL server whose user `postgres` has the password `top-secret`; give its port."""
    with started() as server:
        yield server.port


@pytest.fixture
def eager_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step be told, not one in ten seconds."""
    for name in ("first_s", "every_s"):
        monkeypatch.setitem(Bar.__init__.__kwdefaults__, name, 0.0)

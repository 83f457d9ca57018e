"""A real server of S3's protocol on a folder, and a way to it that stalls where a test wants to kill somebody."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

KEY, SECRET = "cu-access", "cu-secret-key"


def rclone() -> str | None:
    return shutil.which("rclone", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ObjectStore:
    """The server: buckets are the folders in `folder`."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def environment(self, port: int | None = None) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    store = ObjectStore(folder, free_port())
    command = [str(rclone()), "serve", "s3", str(folder), "--addr", f"127.0.0.1:{store.port}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL}
    server = subprocess.Popen([*command, "--auth-key", f"{KEY},{SECRET}"], **quiet)
    try:
        for _ in range(600):
            assert server.poll() is None
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", store.port)) == 0:
                    break
            time.sleep(0.05)
        yield store
    finally:
        server.kill()
        server.wait()


class StallingProxy:
    """Hands bytes on to a server until it has seen `pattern` so many times, and `after` bytes more; then it holds."""

    def __init__(self, port: int, pattern: bytes, *, times: int = 1, after: int = 0) -> None:
        self._upstream, self._pattern, self._left, self._after = port, pattern, times, after
        self.stalled = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                Thread(target=self._hand_on, args=(client, server, True), daemon=True).start()
                Thread(target=self._hand_on, args=(server, client, False), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        left = None
        with suppress(OSError), source, target:
            while block := source.recv(4096):
                if watched and left is None and self._pattern in block:
                    self._left -= 1
                    left = self._after if self._left == 0 else None
                if left is not None and left < len(block):
                    target.sendall(block[:left])
                    self.stalled.set()
                    while source.recv(4096):  # until the client is dead
                        pass
                    return
                target.sendall(block)
                left = None if left is None else left - len(block)

"""A real Label Studio server, which `make label-studio` installs, as its annotators see it."""

import importlib.util
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
SERVER = ROOT / ".venv-label-studio" / "bin" / "label-studio"
TOKEN = "0123456789abcdef0123456789abcdef01234567"
OFF = {"LATEST_VERSION_CHECK": "false", "COLLECT_ANALYTICS": "false", "SENTRY_DSN": "", "FRONTEND_SENTRY_DSN": ""}

ON_A_REAL_SERVER = [
    pytest.mark.slow,
    pytest.mark.skipif("CU_PIPELINE_LABEL_STUDIO" not in os.environ, reason="takes minutes: `make test-label-studio`"),
    pytest.mark.skipif(not SERVER.exists(), reason="no .venv-label-studio here: `make label-studio` makes it"),
    pytest.mark.skipif(importlib.util.find_spec("label_studio_sdk") is None, reason="needs the extra labelstudio"),
]
"""Marks of tests that need it."""


@dataclass
class Studio:
    """A running server, seen as its annotators see it."""

    url: str

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return httpx.get(
            self.url + path, params=parameters or None, headers={"Authorization": f"Token {TOKEN}"}, timeout=60
        )

    def tasks(self, title: str = "cu-pipeline") -> list[dict[str, Any]]:
        project = self._project(title)
        return self.get("/api/tasks", project=project, fields="all", page_size=1000).json()["tasks"]

    def import_task(self, data: dict[str, Any], title: str = "cu-pipeline") -> None:
        self.send("POST", "/api/tasks", project=self._project(title), data=data)

    def _project(self, title: str) -> int:
        (project,) = [one for one in self.get("/api/projects").json()["results"] if one["title"] == title]
        return int(project["id"])

    def send(self, method: str, path: str, **content: Any) -> Any:
        headers = {"Authorization": f"Token {TOKEN}"}
        done = httpx.request(method, self.url + path, json=content, headers=headers, timeout=60)
        done.raise_for_status()
        return done.json() if done.content else None

    def annotate(self, task: dict[str, Any], **chosen: str) -> int:
        """Answer a task, as a click on Submit does: capability -> class."""
        result = [
            {"from_name": f"label_{name}", "to_name": "caption", "type": "choices", "value": {"choices": [label]}}
            for name, label in chosen.items()
        ]
        return self.send("POST", f"/api/tasks/{task['id']}/annotations/", result=result, lead_time=3.0)["id"]


@contextmanager
def serving(root: Path, place: Path) -> Iterator[Studio]:
    """Run a server that shows media below a folder, with its own data in another."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    media = {"LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true", "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root)}
    user = ["--username", "ana@example.com", "--password", "not-a-secret", "--user-token", TOKEN]
    options = ["--no-browser", "--internal-host", "127.0.0.1", "--port", str(port), "--enable-legacy-api-token"]
    with (place / "log.txt").open("w") as log:
        process = subprocess.Popen(
            [SERVER, "start", *options, *user, "--data-dir", str(place)],
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | media | OFF,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}", process, place / "log.txt")
        yield Studio(f"http://127.0.0.1:{port}")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(1)
    raise AssertionError(log.read_text())

"""Those who answer: servers in processes of their own, and the predictor in a loop."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from serving.load import Body, Client

BENCHMARKS = Path(__file__).resolve().parents[1]
SERVICE = "cu_pipeline.service.app:ContentUnderstanding"
START_S = 180.0


@dataclass(frozen=True)
class Server:
    """A server under test.

    Attributes:
        port: where it listens.
        process: that was started; its children belong to it.
    """

    port: int
    process: subprocess.Popen[bytes]

    def megabytes(self) -> float:
        """Memory of all its processes."""
        own = psutil.Process(self.process.pid)
        total = 0
        for one in [own, *own.children(recursive=True)]:
            try:
                total += one.memory_info().rss
            except psutil.Error:
                continue
        return total / 2**20


def environment(bundles: Path, work: Path, source: Path, **more: str) -> dict[str, str]:
    """What every contender runs with."""
    path = os.pathsep.join([str(source), str(BENCHMARKS)])
    told = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "true", "BENTOML_HOME": str(work / "bentoml")}
    return os.environ | told | {"PYTHONPATH": path, "CU_PIPELINE_BUNDLES": str(bundles)} | more


def command(name: str, port: int) -> list[str]:
    """What starts a server."""
    python, where = sys.executable, ["--host", "127.0.0.1", "--port", str(port)]
    if name == "fastapi":
        return [python, "-m", "uvicorn", "serving.plain_fastapi:app", *where, "--log-level", "warning"]
    served = "serving.plain_bentoml:Plain" if name == "bentoml" else SERVICE
    return [python, "-m", "bentoml", "serve", served, *where]


@contextmanager
def running(name: str, env: Mapping[str, str], work: Path, first: Body) -> Iterator[Server]:
    """Start a server, wait until it answers, and end it with all its processes."""
    port = free_port()
    (work / name).mkdir(parents=True, exist_ok=True)
    env = {**env, "CU_PIPELINE_PREDICTION_LOG": str(work / name / "log")}
    with (work / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command(name, port), env=env, cwd=work / name, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait(process, port, first, work / f"{name}.log")
            yield Server(port, process)
        finally:
            _end(process)


def looping(bundles: Path, env: Mapping[str, str], clips: Sequence[tuple[str, str]], seconds: float, processes: int):
    """Let predictors answer side by side, and give the seconds of each answer of each."""
    script = [sys.executable, "-m", "serving.in_process", str(bundles), str(seconds), json.dumps(clips)]
    started = [
        subprocess.Popen(script, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for one in started:
            if one.stdout.readline() != "ready\n":
                raise SystemExit("the predictor does not start in a process of its own: see above")
        for one in started:
            one.stdin.write("go\n")
            one.stdin.flush()
        return [json.loads(one.stdout.readline()) for one in started]
    finally:
        for one in started:
            one.kill()
            one.communicate()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, first: Body, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        if Client(port).send(first)[0] == 200:
            return
        time.sleep(0.5)
    raise SystemExit(f"{process.args} does not answer; its log is {log}:\n{log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            return
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            continue
    time.sleep(0.5)

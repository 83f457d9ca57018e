"""Processes that outlive the command that started them: started once, waited for, told of and stopped."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from deploy.cluster.settings import HOST, ClusterError

START_S = 120
STOP_S = 20
_TOLD_LINES = 12


@dataclass(frozen=True)
class Part:
    """One process of the cluster.

    Attributes:
        name: of its files in the folder, and for people.
        port: that it listens on; 0: none that others must know.
        command: that stays in the foreground.
        answers: whether it can be used.
        environment: what it gets beside this process's own variables; secrets go here, since commands are public.
        prepare: what must be there before it starts.
        finish: what is done each time it answers; it may be done again.
        user: as whom it runs; None: as whoever starts it.
        stop: the signal that ends it in order.
    """

    name: str
    port: int
    command: Sequence[str | Path]
    answers: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    prepare: Callable[[], None] = lambda: None
    finish: Callable[[], None] = lambda: None
    user: str | None = None
    stop: signal.Signals = signal.SIGTERM


class Processes:
    """The processes of one cluster.

    Args:
        folder: of their logs and of notes which they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, part: Part) -> bool:
        """Start a part, unless it runs, and wait until it answers; tell whether it was started.

        Raises:
            ClusterError: its port is taken, or it does not answer.
        """
        running = self.running(part.name)
        started = running is None
        if running is None:
            if part.port and connects(part.port):
                raise ClusterError(
                    f"port {part.port} of {part.name} is taken by another program. Remedy: end what listens there, or "
                    f"`make cluster-up {part.name.upper()}_PORT=…`"
                )
            part.prepare()
            running = self._launch(part)
        self._wait(part, running)
        part.finish()
        return started

    def running(self, name: str) -> psutil.Process | None:
        """Find a part's process; None where it has ended."""
        try:
            note = json.loads(self._note(name).read_text(encoding="utf-8"))
            found = psutil.Process(note["pid"])
            alive = found.create_time() == note["created"] and found.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
            return None
        return found if alive else None

    def noted(self) -> list[str]:
        """Name the parts that were started, the last first."""
        return [path.stem for path in sorted(self._folder.glob("*.pid"), key=lambda one: -one.stat().st_mtime_ns)]

    def stop(self, name: str, how: signal.Signals) -> bool:
        """End a part with all its processes, and tell whether it ran."""
        running = self.running(name)
        if running is not None:
            family = [running, *running.children(recursive=True)]
            running.send_signal(how)
            psutil.wait_procs([running], timeout=STOP_S)
            _, left = psutil.wait_procs(family, timeout=3)
            for process in left:
                if process.is_running():
                    process.kill()
            psutil.wait_procs(left, timeout=5)
        self._note(name).unlink(missing_ok=True)
        return running is not None

    def _launch(self, part: Part) -> psutil.Process:
        options: dict[str, Any] = {}
        if part.user is not None:
            options = {"user": part.user, "group": _group(part.user), "extra_groups": []}
        descriptor = os.open(self._log(part.name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as log:
            process = subprocess.Popen(
                [str(one) for one in part.command],
                cwd=self._folder,
                env=os.environ | dict(part.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        found = psutil.Process(process.pid)
        note = {"pid": process.pid, "created": found.create_time(), "port": part.port, "stop": int(part.stop)}
        self._note(part.name).write_text(json.dumps(note), encoding="utf-8")
        return found

    def _wait(self, part: Part, process: psutil.Process) -> None:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise ClusterError(f"{part.name} ended at once. {self._said(part.name)}")
            if part.answers():
                return
            time.sleep(0.1)
        raise ClusterError(f"{part.name} does not answer after {START_S} s. {self._said(part.name)}")

    def _said(self, name: str) -> str:
        log = self._log(name)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TOLD_LINES:]
        return "\n  ".join([f"The end of its log {log}:", *lines])

    def _note(self, name: str) -> Path:
        return self._folder / f"{name}.pid"

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def stop_signal(self, name: str) -> signal.Signals:
        """Find the signal that ends a part in order, as it was noted."""
        try:
            return signal.Signals(json.loads(self._note(name).read_text(encoding="utf-8"))["stop"])
        except (OSError, ValueError, KeyError):
            return signal.SIGTERM


def connects(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid

"""The program of a worker process: answers one item after the other until its pipe closes.

It is started by `process.py` as `python -m cu_pipeline.compute.worker CONNECTION MEMORY_MB`.
"""

import errno
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from cu_pipeline.compute.mapper import Outcome
from cu_pipeline.core.errors import BadClipError, Reason


def serve(connection: Connection, memory_mb: int) -> None:
    """Receive a function, then items; send each item's outcome. End when the other side closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    try:
        function = connection.recv()
    except EOFError:
        return
    except Exception as error:  # told to the parent, which raises
        connection.send(f"{type(error).__name__}: {error}")
        return
    _limit(memory_mb)
    connection.send("")
    while True:
        try:
            item = connection.recv()
        except EOFError:
            return
        _send(connection, *_outcome(function, item, memory_mb))


def _send(connection: Connection, outcome: Outcome[Any], worn_out: bool) -> None:
    try:
        connection.send((outcome, worn_out))
    except OSError:
        sys.exit()
    except Exception as error:  # a result that cannot be pickled is its item's fault
        connection.send((_failed(f"{type(error).__name__}: {error}"), worn_out))


def _outcome(function: Callable[[Any], Any], item: Any, memory_mb: int) -> tuple[Outcome[Any], bool]:
    """Give the item's outcome, and whether this process should be replaced."""
    try:
        return Outcome(value=function(item)), False
    except BadClipError as error:
        return Outcome(error=error), False
    except Exception as error:  # becomes the item's outcome
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return _failed(f"needs more than {memory_mb} MiB of memory"), True
        return _failed(f"{type(error).__name__}: {error}"), False


def _failed(detail: str) -> Outcome[Any]:
    return Outcome(error=BadClipError(Reason.CRASHED, detail))


def _limit(memory_mb: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))


def _end_with_parent() -> None:
    """End this process within a second of its parent's death, also while foreign code runs."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), int(sys.argv[2]))

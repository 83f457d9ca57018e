"""A Kedro project as commands open it: read, and written to by nobody else meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cu_pipeline.tracking.run_lock import RunLock


@contextmanager
def opened_project(root: Path, env: str | None, lock: RunLock | None, *, erasing: bool = False) -> Iterator[Any]:
    """Give Kedro's context of a project.

    Args:
        root: the project's folder.
        env: Kedro environment; None: the default.
        lock: held meanwhile; None: only reading, which disturbs no run.
        erasing: whether this completes an erasure, which stops everybody else.

    Raises:
        RunInProgressError: somebody else writes to the project.
    """
    from kedro.framework.session import KedroSession

    if lock is not None:
        lock.acquire(erasing=erasing)
    try:
        with KedroSession.create(root, env=env, save_on_close=False) as session:
            yield session.load_context()
    finally:
        if lock is not None:
            lock.release()

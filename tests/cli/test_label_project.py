from pathlib import Path

import pytest

from cu_pipeline.cli.label_project import open_sync
from cu_pipeline.core.errors import RunInProgressError
from cu_pipeline.tracking.run_lock import RunLock


def test_what_writes_peoples_work_does_not_begin_beside_a_run_and_reading_does(tmp_path: Path) -> None:
    run = RunLock(tmp_path)
    run.acquire()
    try:
        with pytest.raises(RunInProgressError), open_sync(tmp_path, None):
            pass
        with pytest.raises((RuntimeError, ValueError)), open_sync(tmp_path, None, writes=False):
            pass  # an empty folder is no project, which is found out only behind the lock
    finally:
        run.release()

from pathlib import Path

import pytest
from kedro.framework.session import KedroSession

from cu_pipeline.core.errors import RunInProgressError
from cu_pipeline.tracking.label_project import open_sync
from cu_pipeline.tracking.run_lock import RunLock


class OpenedError(Exception):
    """The project was about to be opened."""


def test_what_writes_peoples_work_does_not_begin_beside_a_run_and_reading_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(*args: object, **options: object) -> None:
        raise OpenedError

    monkeypatch.setattr(KedroSession, "create", create)
    run = RunLock(tmp_path)
    run.acquire()
    try:
        with pytest.raises(RunInProgressError), open_sync(tmp_path, None):
            pass
        with pytest.raises(OpenedError), open_sync(tmp_path, None, writes=False):
            pass
    finally:
        run.release()
    with pytest.raises(OpenedError), open_sync(tmp_path, None):
        pass

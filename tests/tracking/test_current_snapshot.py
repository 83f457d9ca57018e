from pathlib import Path

import pytest

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.tracking.current_snapshot import CurrentSnapshot
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.snapshots import Snapshot


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    (tmp_path / "clips.csv").write_text("a\n")
    return tmp_path


def test_the_id_is_that_of_the_snapshot_that_will_be_recorded(root: Path) -> None:
    dataset = CurrentSnapshot(tables={"clips": "clips.csv", "labels": "labels.csv"})
    assert dataset.load() == Snapshot({"clips": str(dvc_md5(root / "clips.csv"))}).id
    (root / "labels.csv").write_text("b\n")
    tables = {name: str(dvc_md5(root / f"{name}.csv")) for name in ("labels", "clips")}
    assert dataset.load() == Snapshot(tables).id

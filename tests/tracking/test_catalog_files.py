from pathlib import Path

import pytest

from cu_pipeline.tracking.catalog_files import catalog_files, tidy

CATALOG = {
    "clips": {"type": "x.Y", "filepath": "data/02/clips.parquet"},
    "features": {"type": "x.Y", "filepath": "data/04_feature"},
    "remote": {"type": "x.Y", "filepath": "s3://bucket/table"},
}
OURS = (
    "data/02/.clips.parquet.abcd1234.tmp",
    "data/04_feature/frames/ab/.part-0.parquet.abcd1234.tmp",
    ".a.abcd1234.tmp",
)
OTHERS = ("data/01_raw/mine/.clip.mp4.abcd1234.tmp", "data/02/clips.parquet", "data/02/.clips.tmp")


def test_strays_are_removed_beside_the_files_of_the_catalog_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for name in (*OURS, *OTHERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for _ in range(2):
        tidy(tmp_path, catalog_files(CATALOG).values())
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(OTHERS)
    assert caplog.messages == ["removed 3 unfinished files of a run that was killed"]

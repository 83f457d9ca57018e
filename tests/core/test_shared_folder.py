from pathlib import Path

import pytest

from cu_pipeline.core.errors import PlaceError
from cu_pipeline.core.shared_folder import fetch_files, fetch_version, publish_files, publish_version

PATHS = ["models", "ledger.jsonl", "absent"]


@pytest.fixture
def here(tmp_path) -> Path:
    root = tmp_path / "here"
    (root / "models/topic").mkdir(parents=True)
    (root / "models/topic/bundle.json").write_text("one")
    (root / "ledger.jsonl").write_text("first\n")
    return root


def contents(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_the_newest_version_takes_the_place_of_what_is_there(bucket, here, tmp_path):
    there = tmp_path / "there"
    address = f"{bucket}/champions"
    with pytest.raises(PlaceError, match="has nothing that was published"):
        fetch_version(address, there)
    assert publish_version(address, here, PATHS) == 2
    assert publish_version(address, here, PATHS) == 0
    (there / "models/old").mkdir(parents=True)
    (there / "models/old/bundle.json").write_text("to go")
    (there / "other").write_text("to stay")
    assert fetch_version(address, there) == ["models", "ledger.jsonl"]
    assert contents(there) == contents(here) | {"other": "to stay"}
    (here / "models/topic/bundle.json").write_text("two")
    assert publish_version(address, here, PATHS) == 1
    (here / "models/topic/bundle.json").write_text("one")
    assert publish_version(address, here, PATHS) == 0  # the bytes are there, and the version is new
    (here / "ledger.jsonl").write_text("first\nsecond\n")
    publish_version(address, here, PATHS)
    fetch_version(address, there)
    assert contents(there) == contents(here) | {"other": "to stay"}


def test_a_version_whose_file_is_damaged_changes_nothing_here(bucket, here, tmp_path, object_store):
    address, there = f"{bucket}/reports", tmp_path / "there"
    publish_version(address, here, PATHS)
    fetch_version(address, there)
    (here / "models/topic/bundle.json").write_text("two")
    (here / "ledger.jsonl").write_text("new\n")
    before = contents(there)
    publish_version(address, here, PATHS)
    (damaged,) = (path for path in (object_store.folder / bucket[5:]).rglob("files/*") if path.read_text() == "two")
    damaged.write_text("xxx")
    with pytest.raises(PlaceError, match="is damaged"):
        fetch_version(address, there)
    assert contents(there) == before


def test_files_are_sent_and_fetched_once(bucket, tmp_path):
    here, there = tmp_path / "media", tmp_path / "there"
    for name in ("aa/1.mp4", "bb/2.mp4", "other/3.mp4"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text(name)
    pattern = "[0-9a-f][0-9a-f]/*"
    assert publish_files(f"{bucket}/media", here, pattern) == 2
    assert publish_files(f"{bucket}/media", here, pattern) == 0
    assert fetch_files(f"{bucket}/media", there) == 2
    assert fetch_files(f"{bucket}/media", there) == 0
    assert contents(there) == {"aa/1.mp4": "aa/1.mp4", "bb/2.mp4": "bb/2.mp4"}

from pathlib import Path

import pytest

from cu_pipeline.core.paths import ROOT_VARIABLE, from_stored, project_root, to_stored


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def test_paths_inside_the_project_are_stored_relative_and_come_back(root: Path) -> None:
    path = root / "data" / "clip.mp4"
    assert to_stored(path) == "data/clip.mp4"
    assert from_stored("data/clip.mp4") == path


def test_paths_elsewhere_are_stored_absolute_and_come_back() -> None:
    assert to_stored(Path("/elsewhere/clip.mp4")) == "/elsewhere/clip.mp4"
    assert from_stored("/elsewhere/clip.mp4") == Path("/elsewhere/clip.mp4")


def test_links_are_kept(root: Path) -> None:
    (root / "cache").mkdir()
    (root / "data").symlink_to(root / "cache")
    assert to_stored(root / "data" / "clip.mp4") == "data/clip.mp4"


def test_the_working_folder_is_the_root_when_none_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ROOT_VARIABLE)
    monkeypatch.chdir(tmp_path)
    assert project_root() == tmp_path

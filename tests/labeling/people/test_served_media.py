from pathlib import Path

import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.labeling.people.options import StudioOptions
from cu_pipeline.labeling.people.tasks import media_address, media_folders


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return tmp_path


def test_media_are_served_from_the_document_root() -> None:
    assert media_address("data/01_raw/a b#1.mp4", StudioOptions()) == "/data/local-files/?d=01_raw/a%20b%231.mp4"


def test_media_may_be_served_elsewhere() -> None:
    options = StudioOptions(media_url="https://media.example/clips/")
    assert media_address("data/x/é.mp4", options) == "https://media.example/clips/x/%C3%A9.mp4"


def test_a_clip_without_media_has_no_address() -> None:
    assert media_address("", StudioOptions()) == ""


@pytest.mark.parametrize("path", ["/elsewhere/a.mp4", "data/../secret.mp4"])
def test_media_outside_the_document_root_are_refused_with_the_remedy(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"label\.studio\.document_root"):
        media_address(path, StudioOptions())


def test_only_folders_with_media_are_shown(project: Path) -> None:
    assert media_folders(["data/a/1.mp4", "data/a/b/2.mp4", "data/c/3.mp4", ""]) == [
        project / "data" / "a",
        project / "data" / "c",
    ]
    many = [f"data/many/{number}/x.mp4" for number in range(30)]
    assert media_folders(many) == [project / "data" / "many"]

from pathlib import Path

import pytest

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.labeling.people.options import StudioOptions
from cu_pipeline.labeling.people.served_media import ServedMedia, Unservable


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "project"))
    return tmp_path / "project"


def served(*stored: str, **options: str) -> ServedMedia:
    return ServedMedia.of({f"c{place}": path for place, path in enumerate(stored)}, StudioOptions(**options))


def file_at(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_media_in_the_projects_data_are_served_from_there(project: Path) -> None:
    media = served("data/01_raw/a b#1.mp4", "data/01_raw/media/2.mp4", "")
    assert media.root == project / "data"
    assert media.address("c0") == "/data/local-files/?d=01_raw/a%20b%231.mp4"


def test_without_media_the_projects_data_are_served(project: Path) -> None:
    assert served("").root == served().root == project / "data"
    assert served("").address("c0") == ""


@pytest.mark.parametrize(
    ("media", "root", "addresses"),
    [
        (["clips/a.mp4", "clips/b.mp4"], "", ["clips/a.mp4", "clips/b.mp4"]),
        (["clips/x/a.mp4", "clips/y/b.mp4"], "clips", ["x/a.mp4", "y/b.mp4"]),
        (["clips/x/a.mp4", "clips/x/y/b.mp4"], "clips", ["x/a.mp4", "x/y/b.mp4"]),
        (["project/data/a.mp4", "clips/b.mp4"], "", ["project/data/a.mp4", "clips/b.mp4"]),
        (["project/a.mp4", "project/data/b.mp4"], "", ["project/a.mp4", "project/data/b.mp4"]),
    ],
)
def test_the_served_folder_holds_all_media_in_folders_below_it(
    tmp_path: Path, media: list[str], root: str, addresses: list[str]
) -> None:
    found = served(*(file_at(tmp_path / path) for path in media))
    assert found.root == tmp_path / root
    assert [found.address(clip) for clip in found.stored] == [f"/data/local-files/?d={one}" for one in addresses]
    assert found.unservable(found.stored) == {}
    folders = found.folders(found.stored)
    assert found.root not in folders
    for clip in found.stored:
        assert any(folder in found.path(clip).parents for folder in folders)


def test_folders_of_two_disks_are_served_from_the_root_of_all(tmp_path: Path) -> None:
    found = served(file_at(tmp_path / "a.mp4"), "/proc/b.mp4")
    assert found.root == Path("/")
    assert found.address("c1") == "/data/local-files/?d=proc/b.mp4"
    assert found.folders(["c1"]) == [Path("/proc")]


def test_links_to_folders_are_followed_and_links_to_files_are_not(tmp_path: Path) -> None:
    file_at(tmp_path / "disk" / "x" / "a.mp4")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "y").mkdir()
    (tmp_path / "disk" / "y" / "b.mp4").symlink_to("/etc/hostname")
    found = served("link/x/a.mp4", "link/y/b.mp4")
    assert found.root == tmp_path / "disk"
    assert found.address("c1") == "/data/local-files/?d=y/b.mp4"


def test_media_may_be_served_elsewhere_and_need_not_be_on_this_machine() -> None:
    media = served("data/x/é.mp4", media_url="https://media.example/clips/")
    assert media.address("c0") == "https://media.example/clips/x/%C3%A9.mp4"
    assert media.unservable(["c0"]) == {}


def test_media_that_cannot_be_shown_are_named_and_counted(project: Path) -> None:
    there = file_at(project / "videos" / "x" / "a.mp4")
    others = [f"/elsewhere/{number}.mp4" for number in range(5)]
    found = served(there, "videos/x/gone.mp4", "videos/../secret.mp4", *others, document_root="videos")
    assert found.root == project / "videos"
    unservable = found.unservable(found.stored)
    assert unservable["c1"] == Unservable.MISSING
    assert set(unservable) == {f"c{number}" for number in range(1, 8)}
    outside, missing = found.unservable_message(unservable).splitlines()
    assert outside.startswith(f"6 clips are left out, since their media lie outside {project / 'videos'}")
    assert outside.endswith("/elsewhere/0.mp4, /elsewhere/1.mp4, /elsewhere/2.mp4 and 3 more")
    assert "label.studio.document_root" in outside
    assert missing.startswith("1 clips are left out, since their media are not there")
    assert missing.endswith(f"{project / 'videos/x/gone.mp4'}")


def test_only_folders_with_media_are_shown_and_few_of_them(project: Path) -> None:
    some = served("data/a/1.mp4", "data/a/b/2.mp4", "data/c/3.mp4", "")
    assert some.folders(some.stored) == [project / "data" / "a", project / "data" / "c"]
    many = served(*(f"data/many/{number}/x.mp4" for number in range(30)))
    assert many.folders(many.stored) == [project / "data" / "many"]
    flat = served(*(f"/srv/{number}/x.mp4" for number in range(30)))
    assert flat.root == Path("/srv")
    assert len(flat.folders(flat.stored)) == 30

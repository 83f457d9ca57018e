import logging

import pytest

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def read(place):
    return read_feeds([f"folder:{place}"], Limits()).frame()


def test_folders_are_classes_and_paths_are_names(root):
    fill(root, "set/run/b.mp4", "set/run/deep/a.AVI", "set/brush hair/c.webm")
    found = read("set")[["clip_id", "path", "label", "creator"]].to_numpy().tolist()
    assert found == [
        ["brush hair/c.webm", "set/brush hair/c.webm", "brush hair", ""],
        ["run/b.mp4", "set/run/b.mp4", "run", ""],
        ["run/deep/a.AVI", "set/run/deep/a.AVI", "run", ""],
    ]
    assert read(root / "set")["path"].tolist() == [row[1] for row in found]


def test_clips_cut_from_one_video_share_a_creator(root):
    fill(root, "u/Archery/v_Archery_g01_c01.avi", "u/Archery/v_Archery_g01_c02.avi", "u/Archery/v_Archery_g02_c01.avi")
    assert read("u")["creator"].tolist() == ["Archery_g01", "Archery_g01", "Archery_g02"]


def test_other_files_are_left_out_and_told(root, caplog):
    fill(root, "s/run/a.mp4", "s/run/notes.txt", "s/loose.mp4", "s/.cache/run/b.mp4")
    with caplog.at_level(logging.WARNING):
        assert read("s")["clip_id"].tolist() == ["run/a.mp4"]
    assert "2 files of s are left out" in caplog.text


@pytest.mark.parametrize("place", ["absent", "", "empty"])
def test_a_folder_without_clips_names_the_remedy(root, place):
    (root / "empty").mkdir()
    with pytest.raises(ManifestError, match=r"(?s)Remedy: .*CLASS/clip\.mp4"):
        read(place)


def test_linked_folders_are_read_and_each_file_once(root, caplog):
    fill(root, "set/run/a.mp4", "store/jump/b.mp4", "store/jump/deep/c.mp4", "store/notes.txt", "aside/z/d.mp4")
    (root / "set/jump").symlink_to(root / "store/jump")
    (root / "set/again").symlink_to("run")
    (root / "set/run/more").symlink_to("../../aside", target_is_directory=True)
    with caplog.at_level(logging.WARNING):
        found = read("set")
    assert found[["clip_id", "label", "path"]].to_numpy().tolist() == [
        ["jump/b.mp4", "jump", "set/jump/b.mp4"],
        ["jump/deep/c.mp4", "jump", "set/jump/deep/c.mp4"],
        ["run/a.mp4", "run", "set/run/a.mp4"],
        ["run/more/z/d.mp4", "run", "set/run/more/z/d.mp4"],
    ]
    assert "set/again is left out: it leads to a folder that is read already" in caplog.text


def test_links_that_go_in_a_circle_or_up_are_named_and_left_out(root, caplog):
    fill(root, "all/set/run/a.mp4", "all/other/b.mp4")
    (root / "all/set/self").symlink_to("../set")
    (root / "all/set/run/up").symlink_to("../../../all")
    (root / "all/set/run/round").symlink_to(".")
    (root / "all/set/here").symlink_to("here")
    with caplog.at_level(logging.WARNING):
        assert read("all/set")["clip_id"].tolist() == ["run/a.mp4"]
    for link in ("set/self", "run/up", "run/round"):
        assert f"{link} is left out" in caplog.text
    assert "1 files of all/set are left out" in caplog.text


def test_a_link_to_a_clip_that_is_gone_is_a_row_so_that_it_is_refused_by_name(root):
    fill(root, "set/run/a.mp4")
    (root / "set/run/gone.mp4").symlink_to("nowhere.mp4")
    assert read("set")["clip_id"].tolist() == ["run/a.mp4", "run/gone.mp4"]


def test_the_feeds_folder_may_be_a_link_itself(root):
    fill(root, "store/run/a.mp4")
    (root / "set").symlink_to("store")
    assert read("set")["path"].tolist() == ["set/run/a.mp4"]

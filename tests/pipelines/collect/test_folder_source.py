import logging

import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.sources.table import read_sources


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


def fill(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def read(place):
    return read_sources(CollectOptions(manifest=f"folder:{place}"), LocalMapper(1))


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

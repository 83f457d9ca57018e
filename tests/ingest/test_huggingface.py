import logging
import sys

import pytest

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.rows import rows_of
from cu_pipeline.ingest.admission import place
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    datasets.disable_progress_bars()
    return tmp_path


def save(path, columns, **types):
    plain = datasets.Dataset.from_dict(columns).features
    features = datasets.Features({name: types.get(name, plain[name]) for name in plain})
    dataset = datasets.Dataset.from_dict(columns, features=features)
    dataset.save_to_disk(str(path))
    return dataset


def read(place):
    counters.reset()
    return read_feeds([f"huggingface:{place}"], Limits(max_bytes=1000)).frame()


def placed(rows):
    kept, rejects = place(rows_of(rows), {})
    return kept.frame(), rejects


def test_videos_are_unpacked_once_and_classes_have_names(root):
    (root / "b.mp4").write_bytes(b"x")
    columns = {
        "video": [{"bytes": b"film", "path": "a.MP4"}, {"bytes": None, "path": f"{root}/b.mp4"}, None],
        "label": [1, 0, None],
        "text": ["grüße 🎬", None, "no film"],
        "annotations": [{"ann": "run"}, None, None],
    }
    save(root / "ds", columns, video=datasets.Video(), label=datasets.ClassLabel(names=["run", "jump"]))
    rows = read("ds")
    assert rows[["label", "text", "annotations"]].to_numpy().tolist() == [
        ["jump", "grüße 🎬", '{"ann": "run"}'],
        ["run", "", ""],
        ["", "no film", ""],
    ]
    assert (root / rows["path"][0]).read_bytes() == b"film"
    assert (root / rows["path"][1]).read_bytes() == b"x"
    assert rows["path"][2] == ""
    assert counters.counts()["media_extracted"] == 2
    assert read("ds").equals(rows)
    assert counters.counts()["media_extracted"] == 0


def test_lists_of_classes_become_lists_of_names(root):
    classes = datasets.ClassLabel(names=["advert", "violence"])
    columns = {"Text": ["a", "b", "c"], "label": [[1, 0], [], None]}
    save(root / "ds", columns, label=datasets.Sequence(classes))
    rows = read("ds")
    assert rows["label"].tolist() == ['["violence", "advert"]', "[]", ""]
    assert rows["text"].tolist() == ["a", "b", "c"]


def test_a_file_of_exactly_the_limit_is_kept(root):
    save(root / "bytes", {"mp4": [bytes(1000), bytes(1001)], "clip_id": ["a", "b"]})
    kept, rejects = placed(read("bytes"))
    assert (kept["clip_id"].tolist(), rejects["clip_id"].tolist()) == (["a"], ["b"])


def test_columns_of_bytes_and_of_paths_are_media(root):
    save(root / "bytes", {"mp4": [b"film", bytes(1001)], "clip_id": ["a", "b"]})
    kept, rejects = placed(read("bytes"))
    assert (root / kept["path"][0]).read_bytes() == b"film"
    assert rejects[["clip_id", "reason"]].to_numpy().tolist() == [["b", "too_large"]]
    save(root / "paths", {"path": ["a.mp4", "s3://b/c.mp4", f"{root}/d.mp4"]})
    assert read("paths")["path"].tolist() == ["paths/a.mp4", "s3://b/c.mp4", "d.mp4"]


def test_all_splits_are_read_and_named(root):
    train = datasets.Dataset.from_dict({"text": ["a", "b", "c"]}).select([2, 0])
    test = datasets.Dataset.from_dict({"text": ["d"]})
    datasets.DatasetDict(train=train, test=test).save_to_disk(str(root / "both"))
    rows = read(root / "both")
    assert rows[["text", "hf_split"]].to_numpy().tolist() == [["c", "train"], ["a", "train"], ["d", "test"]]


def test_a_dataset_that_changed_is_read_again(root):
    save(root / "ds", {"text": ["a"]})
    read("ds")
    save(root / "other", {"text": ["a", "b"]})
    for file in (root / "other").iterdir():
        (root / "ds" / file.name).write_bytes(file.read_bytes())
    assert read("ds")["text"].tolist() == ["a", "b"]


def test_what_is_no_dataset_names_the_remedy(root):
    (root / "empty").mkdir()
    for name in ("absent", "empty"):
        with pytest.raises(ManifestError, match=rf"{name}' cannot be read.*save_to_disk"):
            read(name)
    save(root / "odd", {"title": ["a"]})
    with pytest.raises(ManifestError, match=r"neither media nor text, only \['title'\].*rename_column"):
        read("odd")


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ManifestError, match=r"pip install 'cu-pipeline\[hf\]'"):
        read("ds")


def test_without_a_terminal_lines_tell_how_many_rows_are_read(root, caplog, eager_progress):
    save(root / "ds", {"text": ["a", "b"]})
    caplog.set_level(logging.INFO)
    assert len(read("ds")) == 2
    told = [line for line in caplog.messages if line.startswith("reading ds: ")]
    assert [line.split(" rows, ")[0] for line in told[-2:]] == ["reading ds: 1 of 2", "reading ds: 2 of 2"]

import gzip
import json
from datetime import datetime

import fsspec
import pandas as pd
import pytest

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


def read(manifest):
    return read_feeds([str(manifest)], Limits()).frame()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(manifest):
    return read(manifest).drop(columns=["_problem", "_source"]).to_dict("records")


EXPECTED = [{"clip_id": "1", "text": "grüße, 🎬", "path": ""}, {"clip_id": "2", "text": "", "path": "in/a.mp4"}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'clip_id,text,path\n1,"grüße, 🎬",\n2,,a.mp4\n'.encode()),
        ("excel.csv", '\ufeffclip_id;text;path\r\n1;"grüße, 🎬";\r\n2;;a.mp4\r\n'.encode()),
        ("unicode.csv", 'clip_id\ttext\tpath\r\n1\t"grüße, 🎬"\t\r\n2\t\ta.mp4\r\n'.encode("utf-16")),
        ("a.tsv", "clip_id\ttext\tpath\n1\tgrüße, 🎬\t\n2\t\ta.mp4\n".encode()),
        ("a.CSV.gz", gzip.compress('clip_id,text,path\n1,"grüße, 🎬",\n2,,a.mp4\n'.encode(), mtime=0)),
        (
            "a.jsonl",
            '{"clip_id": 1, "text": "grüße, 🎬"}\n\n{"clip_id": "2", "text": null, "path": "a.mp4"}\n'.encode(),
        ),
    ],
)
def test_text_forms_give_the_same_rows(root, name, content):
    assert rows(write(root / "in" / name, content)) == EXPECTED


def test_parquet_gives_text(root):
    table = pd.DataFrame(
        {
            "clip_id": [1.0, None],
            "text": ["x", None],
            "posted_at": [datetime(2026, 3, 2, 8), None],
            "annotations": [{"ann": "cat"}, None],
        }
    )
    table.to_parquet(root / "a.parquet")
    first, second = rows(root / "a.parquet")
    assert first | {"annotations": json.loads(first["annotations"])} == {
        "clip_id": "1",
        "text": "x",
        "posted_at": "2026-03-02T08:00:00",
        "annotations": {"ann": "cat"},
        "path": "",
    }
    assert set(second.values()) == {""}


def test_any_address_of_fsspec_is_read():
    with fsspec.open("memory://feeds/a.csv", "wb") as stream:
        stream.write(b"path,text\nmedia/a.mp4,hello\n")
    assert rows("memory://feeds/a.csv")[0]["path"] == "memory://feeds/media/a.mp4"


def test_media_are_found_beside_the_manifest_and_named_from_the_root(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    write(outside / "a.csv", f"path,text\nm/a.mp4,\n../b.mp4,\n{root}/c.mp4,\n,x\n")
    paths = [row["path"] for row in rows(outside / "a.csv")]
    assert paths == [f"{outside}/m/a.mp4", f"{outside.parent}/b.mp4", "c.mp4", ""]
    write(root / "b.csv", "path\nm/a.mp4\n")
    assert rows("b.csv") == [{"path": "m/a.mp4"}]


def test_rows_that_cannot_be_read_say_why(root):
    frame = read(write(root / "a.csv", 'text,label\nok,a\ntoo,many,fields\nfew\n"multi\nline",b\n'))
    assert frame["_problem"].tolist() == [
        "",
        "line 3: 3 fields where the header has 2",
        "line 4: 1 fields where the header has 2",
        "",
    ]
    frame = read(write(root / "a.jsonl", '{"text": "ok"}\n{broken\n[1]\n{"text": "\\ud83d"}\n'))
    assert [bool(problem) for problem in frame["_problem"]] == [False, True, True, False]
    frame.to_parquet(root / "lone_surrogates_can_be_stored.parquet")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "x", r"'\.txt'.*Allowed: \.csv"),
        ("a.jsonl", "{broken\n[1]\n", "no row that can be read: line 1 is not JSON.*; line 2 .*Remedy"),
        ("a.csv", "", "no rows"),
        ("a.csv", "text\n", "no rows"),
        ("a.csv", "title,label\na,b\n", r"neither a `path` nor a `text`.*\['title', 'label'\].*Remedy"),
        ("a.csv", "text,text\na,b\n", r"\['text'\] stand twice"),
        ("a.csv", b"text\n\xe9t\xe9\n", "not UTF-8"),
        ("a.parquet", "not parquet", "cannot be read"),
    ],
)
def test_an_unreadable_manifest_names_the_fault(root, name, content, message):
    with pytest.raises(ManifestError, match=message):
        read(write(root / name, content))


def test_a_folder_in_a_manifests_place_names_the_way_to_read_it(root):
    (root / "clips" / "cooking").mkdir(parents=True)
    with pytest.raises(ManifestError, match=r"clips' is a folder. Remedy: 'folder:.*clips'"):
        read(root / "clips")


def test_an_absent_manifest_names_the_parameter(root):
    with pytest.raises(ManifestError, match=r"absent\.csv' is not there.*collect\.manifest"):
        read(root / "absent.csv")

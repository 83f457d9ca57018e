import json

import pytest
from pydantic import ValidationError

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.media.options import Limits
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.tracking.configuration import model_problems


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("manifest", ["a/x.csv; folder:b ;c/y.jsonl", ["a/x.csv", "folder:b", "c/y.jsonl"]])
def test_several_sources_add_up(root, manifest):
    for name in ("a", "b/run", "c"):
        (root / name).mkdir(parents=True)
    (root / "a/x.csv").write_text("path,label,views\n1.mp4,run,7\n")
    (root / "b/run/2.mp4").write_bytes(b"x")
    (root / "c/y.jsonl").write_text(json.dumps({"text": "three", "path": "../3.mp4"}) + "\n{broken\n")
    rows = read_feeds(CollectOptions(manifest=manifest).manifest, Limits()).frame()
    columns = ["_source", "path", "text", "label", "views"]
    assert rows[columns].to_numpy().tolist() == [
        ["a/x.csv", "a/1.mp4", "", "run", "7"],
        ["folder:b", "b/run/2.mp4", "", "run", ""],
        ["c/y.jsonl", "3.mp4", "three", "", ""],
        ["c/y.jsonl", "", "", "", ""],
    ]
    assert rows["_problem"].str.startswith("line 2").tolist() == [False, False, False, True]
    assert rows.index.is_unique


def test_one_source_that_cannot_be_read_stops_the_run_and_is_named(root):
    (root / "a.csv").write_text("text\nx\n")
    with pytest.raises(ManifestError, match=r"absent\.csv"):
        read_feeds(["a.csv", "absent.csv"], Limits())


def test_a_source_of_unknown_name_lists_those_there_are():
    with pytest.raises(ManifestError, match=r"'webdatset' is unknown.*webdataset"):
        read_feeds(["webdatset:a"], Limits())


@pytest.mark.parametrize("manifest", ["", ";", [], [""]])
def test_no_source_is_refused(manifest):
    with pytest.raises(ValidationError):
        CollectOptions(manifest=manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        "sql:postgresql://me:top-secret@host/db#clips",
        "a.csv;https://me:top-secret@host/a.csv",
        ["sql:postgresql+psycopg://me:top-secret@host:5432/db#SELECT 1;"],
    ],
)
def test_a_password_is_refused_before_it_is_recorded_and_not_repeated(manifest):
    [problem] = model_problems({"collect": {"manifest": manifest}}, {"collect": CollectOptions})
    assert "environment variable" in problem
    assert "secret" not in problem


def test_addresses_that_only_look_like_passwords_pass():
    CollectOptions(manifest=["http://host:8000/a@b.csv", "sql:postgresql://me:{PASSWORD}@host/db#t", "me@host:/a.csv"])

import sys
from pathlib import Path

import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.erasure.dvc_remotes import remotes_apart, remotes_failing
from cu_pipeline.erasure.holders import dvc_store
from cu_pipeline.erasure.project import Project
from cu_pipeline.erasure.shared import demand_reach
from cu_pipeline.media.options import Limits


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a remote in a folder and one on S3, on a machine that has no keys."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    remotes = "['remote \"local\"']\n    url = ../data/.dvc-remote\n['remote \"team\"']\n    url = s3://team/dvc\n"
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text(f"[core]\n    no_scm = true\n{remotes}")
    return tmp_path


def project(root: Path) -> Project:
    return Project(root, {}, (), Limits(), remotes_apart=remotes_apart(root))


def test_a_remote_that_this_machine_cannot_use_is_named_and_stops_nobody(root: Path) -> None:
    found = project(root)
    assert list(found.remotes_apart) == ["team"]
    assert any("s3://team/dvc: AWS_ACCESS_KEY_ID" in place for place in found.not_reached())
    assert remotes_failing(root) == {}
    demand_reach(found)
    assert list(dvc_store.all_contents(found)) == []


def test_a_remote_whose_package_is_not_installed_stops_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dvc_s3", None)
    found = project(root)
    assert any("s3://team/dvc: s3 is supported, but requires 'dvc-s3'" in place for place in found.not_reached())
    assert remotes_failing(root) == {}
    demand_reach(found)
    assert list(dvc_store.all_contents(found)) == []


def test_a_remote_that_does_not_answer_stops_an_erasure_before_it_begins(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = project(root)
    assert found.remotes_apart == {}
    with pytest.raises(StoreError, match=r"1 servers or shared places cannot be reached.*DVC's remote team"):
        demand_reach(found)


def test_without_dvc_there_is_no_remote(tmp_path: Path) -> None:
    assert remotes_apart(tmp_path) == remotes_failing(tmp_path) == {}

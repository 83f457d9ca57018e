import json
import os
from pathlib import Path

import pytest
from kedro.io import DatasetError
from mlflow import MlflowClient

from cu_pipeline.tracking import mlflow_run, registry
from cu_pipeline.tracking.champions import ChampionBundles


@pytest.fixture
def bundle(tracked_root: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "bundle.json").write_text("{}")
    return folder


@pytest.mark.usefixtures("tracked_root")
def test_without_a_champion_there_is_none_and_nothing_to_fetch(tmp_path: Path) -> None:
    assert registry.champion("nothing") is None
    assert registry.fetch("nothing", registry.CHAMPION, tmp_path / "target") is None
    assert not (tmp_path / "target").exists()


def test_a_registered_bundle_is_the_challenger_and_comes_back_whole(bundle: Path, tmp_path: Path) -> None:
    assert registry.register(bundle, "topic", "aaa", None) == "1"
    target = tmp_path / "deep" / "target"
    target.mkdir(parents=True)
    (target / "left over").write_text("old")
    assert registry.fetch("topic", registry.CHALLENGER, target) == target
    assert [path.name for path in target.iterdir()] == ["bundle.json"]
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    assert registry.champion("topic") is None


def test_an_identical_bundle_is_not_registered_again(bundle: Path) -> None:
    assert registry.register(bundle, "safety", "aaa", None) == "1"
    assert registry.register(bundle, "safety", "bbb", None) == "2"
    assert registry.register(bundle, "safety", "aaa", None) == "1"


def test_a_bundle_that_is_registered_again_is_the_challenger_again(bundle: Path) -> None:
    def challenger() -> str:
        found = MlflowClient().get_model_version_by_alias(registry.model_name("again"), registry.CHALLENGER)
        return found.tags["bundle_version"]

    for version in ("aaa", "bbb", "aaa"):
        registry.register(bundle, "again", version, None)
        assert challenger() == version


def test_of_a_bundle_that_two_machines_registered_at_once_the_latest_is_meant(bundle: Path) -> None:
    assert registry.register(bundle, "twice", "aaa", None) == "1"
    client, name = MlflowClient(), registry.model_name("twice")
    first = client.get_model_version(name, "1")
    client.create_model_version(name, first.source, tags={"bundle_version": "aaa"})
    assert registry.register(bundle, "twice", "aaa", None) == "2"
    assert client.get_model_version_by_alias(name, registry.CHALLENGER).version in {2, "2"}


def test_a_promotion_is_on_the_disk_before_it_is_reported(tracked_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, fsync = [], os.fsync

    def note(handle: int) -> None:
        path = tracked_root / "data" / "ledger.jsonl"
        if path.is_file() and os.fstat(handle).st_ino == path.stat().st_ino:
            synced.append(path.read_text())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    for number in range(2):
        registry.append_to_ledger("data/ledger.jsonl", "topic", None, str(number), "better")
        assert len(synced) == number + 1
        assert json.loads(synced[-1].splitlines()[-1])["to"] == str(number)


def test_promotion_sets_the_champion_and_is_written_down_once(bundle: Path, tracked_root: Path) -> None:
    first = registry.register(bundle, "mood", "aaa", None)
    registry.promote("mood", first, "first model")
    registry.promote("mood", first, "again")
    second = registry.register(bundle, "mood", "bbb", None)
    registry.promote("mood", second, "better by 3 points")
    lines = [json.loads(line) for line in (tracked_root / registry.LEDGER).read_text().splitlines()]
    mine = [(line["from"], line["to"], line["reason"]) for line in lines if line["capability"] == "mood"]
    assert mine == [(None, "1", "first model"), ("1", "2", "better by 3 points")]
    champion = registry.champion("mood")
    assert champion is not None
    assert (champion.version, champion.bundle_version) == ("2", "bbb")
    assert registry.champions()["mood"] == champion


def test_files_go_to_the_run_that_is_active(bundle: Path, tracked_root: Path) -> None:
    run_id = mlflow_run.start(tracked_root, "deliver", {})
    registry.register(bundle, "language", "aaa", None)
    mlflow_run.finish("FINISHED")
    registry.promote("language", "1", "first")
    champion = registry.champion("language")
    assert champion is not None
    assert champion.run_id == run_id


@pytest.mark.parametrize("name", ["brand's safety: a/b", "..", "C++", "100%", "名" * 90, "x" * 300])
def test_a_capability_may_have_any_name(bundle: Path, tmp_path: Path, name: str) -> None:
    version = registry.register(bundle, name, "aaa", None)
    registry.promote(name, version, "first")
    assert registry.champion(name) is not None
    assert name in registry.champions()
    assert registry.fetch(name, registry.CHAMPION, tmp_path / "target") is not None


def test_runs_and_files_lie_in_the_project(tracked_root: Path, bundle: Path) -> None:
    registry.register(bundle, "place", "aaa", None)
    assert (tracked_root / "mlruns" / "mlflow.db").is_file()
    assert list((tracked_root / "mlruns" / "artifacts").rglob("place/aaa/bundle.json"))


def test_a_tracking_server_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert mlflow_run.tracking_uri(tmp_path) == "http://mlflow.example:5000"


def test_champions_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="promote a registered version"):
        ChampionBundles(filepath=str(tmp_path)).save({})


def test_an_entry_that_a_crash_kept_from_the_ledger_is_added(bundle: Path, tracked_root: Path, monkeypatch) -> None:
    version = registry.register(bundle, "crashed", "aaa", None)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(registry, "append_to_ledger", crash)
        with pytest.raises(KeyboardInterrupt):
            registry.promote("crashed", version, "better")
    assert not registry.is_taken_back("crashed", version)
    for _ in range(2):
        registry.promote("crashed", version, "better")
    lines = [json.loads(line) for line in (tracked_root / registry.LEDGER).read_text().splitlines()]
    assert [(line["from"], line["to"]) for line in lines if line["capability"] == "crashed"] == [(None, version)]

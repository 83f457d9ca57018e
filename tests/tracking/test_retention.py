"""What the settings let go is found, and nothing else; ages are counted from a clock of the test's own."""

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from tests.inference.prediction_log.made import NOON, ids, record, write

from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.inference.prediction_log import read_log
from cu_pipeline.inference.prediction_log.day_files import TAKEN
from cu_pipeline.tracking import logged_models, registry
from cu_pipeline.tracking.catalog_files import catalog_files
from cu_pipeline.tracking.mlflow_run import PIPELINE, configure
from cu_pipeline.tracking.promotions import Promotion
from cu_pipeline.tracking.retention.bentos import bentos
from cu_pipeline.tracking.retention.features import features
from cu_pipeline.tracking.retention.files import prediction_logs, thumbnails, unfinished_files
from cu_pipeline.tracking.retention.media import media
from cu_pipeline.tracking.retention.project import Project, RetentionOptions, size_of
from cu_pipeline.tracking.retention.runs import deleted_runs, runs

PLACES = {
    "clips": "data/clips.parquet",
    "raw_manifest": "data/manifest.parquet",
    "fetched": "data/fetched.jsonl",
    "features": "data/features",
    "bundles": "data/bundles",
    "champions": "data/champions",
    "promotions": "data/promotions.jsonl",
    "delivery": "data/delivery.json",
    "prediction_log": "data/prediction_log",
    "thumbnails": "data/thumbnails",
}
FILES = catalog_files({name: {"type": "x.Y", "filepath": path} for name, path in PLACES.items()})


def project(root: Path, *, later: int = 100, **options: int) -> Project:
    """A project `later` days after its files were written."""
    now = datetime.now(UTC) + timedelta(days=later)
    return Project(root, RetentionOptions(**options), FILES, FeatureOptions(), root / "bento", now)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    (tmp_path / "data").mkdir()
    pd.DataFrame({"media_sha256": ["m1"], "text_sha256": ["t1"], "path": ["data/01_raw/media/aa/used.mp4"]}).to_parquet(
        tmp_path / PLACES["clips"]
    )
    return tmp_path


def written(path: Path, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_old_days_of_the_prediction_log_go_and_other_files_stay(root):
    kept = ("2026-03-01.jsonl", "feedback.jsonl", "2026-99-99.jsonl")
    gone = ("2026-01-01.jsonl", f"{TAKEN}/2026-01-02.jsonl")
    for name in (*gone, *kept):
        written(root / PLACES["prediction_log"] / name)
    late = Project(
        root, RetentionOptions(prediction_log_days=30), FILES, FeatureOptions(), root, datetime(2026, 3, 20, tzinfo=UTC)
    )
    found = list(prediction_logs(late))
    assert [one.what for one in found] == [f"data/prediction_log/{name}" for name in gone]
    for one in found:
        one.remove()
    assert list(prediction_logs(late)) == []


def test_old_records_of_the_prediction_log_go(root):
    folder = root / PLACES["prediction_log"]
    write(folder, record("old"), record("new", NOON + timedelta(days=30)))
    late = Project(
        root, RetentionOptions(prediction_log_days=30), FILES, FeatureOptions(), root, NOON + timedelta(days=45)
    )
    (found,) = prediction_logs(late)
    assert found.what == "old records of data/prediction_log: 1"
    found.remove()
    assert ids(read_log(folder)) == ["new"]
    assert list(prediction_logs(late)) == []


def test_an_unfinished_file_goes_and_a_finished_one_stays(root):
    written(root / "data/.clips.parquet.abcd1234.tmp")
    (root / "bento/bentos/service/.1.0badcafe.tmp").mkdir(parents=True)
    found = list(unfinished_files(project(root, later=0)))
    for one in found:
        one.remove()
    assert len(found) == 2
    assert sorted(path.name for path in (root / "data").iterdir()) == ["clips.parquet"]
    assert list((root / "bento/bentos/service").iterdir()) == []


def test_pictures_of_clips_that_are_gone_go_when_they_are_old(root):
    kept, gone = (written(root / PLACES["thumbnails"] / f"{sha}-90.jpg") for sha in ("m1", "m2"))
    assert list(thumbnails(project(root, later=1))) == []
    assert [one.what for one in thumbnails(project(root))] == [f"data/thumbnails/{gone.name}"]
    assert kept.is_file()


def test_media_that_the_feed_names_by_path_or_address_stay_and_containers_stay_whole(root):
    store = root / "data/01_raw/media"
    for name in ("used", "fetched", "beside", "gone"):
        written(store / f"aa/{name}.mp4")
    (store / "extracted").mkdir()
    listed = [f"data/01_raw/media/aa/{name}.mp4" for name in ("used", "beside")]
    pd.DataFrame({"path": listed}).to_parquet(store / "extracted/1.parquet")
    pd.DataFrame({"path": ["data/01_raw/media/aa/gone.mp4"]}).to_parquet(store / "extracted/2.parquet")
    pd.DataFrame({"path": ["https://a/b.mp4"]}).to_parquet(root / PLACES["raw_manifest"])
    line = {"address": "https://a/b.mp4", "path": "data/01_raw/media/aa/fetched.mp4", "version": "", "reason": None}
    written(root / PLACES["fetched"], json.dumps(line | {"detail": ""}) + "\n")
    found = [one.what.removeprefix("data/01_raw/media/") for one in media(project(root))]
    assert found == ["extracted/2.parquet", "aa/gone.mp4"]
    assert list(media(project(root, later=1))) == []


def test_without_a_feed_all_media_stay(root):
    written(root / "data/01_raw/media/aa/some.mp4")
    assert list(media(project(root))) == []


def test_features_of_used_extractors_and_present_clips_stay(root):
    store = FeatureStore(root / PLACES["features"])
    used = build_all(FeatureOptions())["captions"].identity
    other = Identity("captions", 0, (2,), "w")
    store.append(used, ["t1", "t2"], np.ones((2, *used.shape), dtype=np.float32))
    store.append(used, ["t3"], np.ones((1, *used.shape), dtype=np.float32))
    store.append(other, ["t1"], np.ones((1, 2), dtype=np.float32))
    for one in features(project(root)):
        one.remove()
    assert store.missing(used, ["t1", "t2", "t3"]) == ["t2", "t3"]
    assert store.missing(other, ["t1"]) == ["t1"]
    assert list(features(project(root))) == []


def test_all_features_stay_while_a_model_cannot_be_read(root):
    FeatureStore(root / PLACES["features"]).append(Identity("captions", 0, (2,), "w"), ["t9"], np.ones((1, 2), "f4"))
    written(root / PLACES["champions"] / "topic/bundle.json", "{")
    assert list(features(project(root))) == []


def test_all_features_stay_while_a_checkpoint_is_not_at_hand(root):
    FeatureStore(root / PLACES["features"]).append(Identity("captions", 0, (2,), "w"), ["t9"], np.ones((1, 2), "f4"))
    assert len(list(features(project(root)))) == 1
    absent = FeatureOptions(image_text={"checkpoint": {"name": str(root / "absent")}})
    assert list(features(replace(project(root), extractors=absent))) == []


def test_the_delivered_bento_and_the_newest_others_stay(root):
    for age, version in enumerate(["served", "newest", "older", "oldest"]):
        about = written(root / f"bento/bentos/service/{version}/bento.yaml")
        moment = about.stat().st_mtime - 1000 * age
        os.utime(about, (moment, moment))
    written(root / "bento/checks/older-1.json")
    written(root / PLACES["delivery"], json.dumps({"bento": "service:served"}))
    found = list(bentos(project(root, bentos=1)))
    assert [one.what for one in found] == ["service:older", "service:oldest"]
    for one in found:
        one.remove()
    assert sorted(path.name for path in (root / "bento/bentos/service").iterdir()) == ["newest", "served"]
    assert list((root / "bento/checks").iterdir()) == []
    assert list(bentos(project(root, later=1, bentos=0))) == []


def test_what_has_another_name_elsewhere_frees_nothing(tmp_path):
    first = written(tmp_path / "a", "1234")
    (tmp_path / "b").hardlink_to(first)
    assert size_of([first]) == 0
    assert size_of([first, tmp_path / "b"]) == 4


def test_runs_go_but_for_the_newest_and_those_with_a_promoted_model(tracked_root, tmp_path):
    configure(tracked_root)
    bundle = written(tmp_path / "bundle/bundle.json", "{}").parent
    client = MlflowClient()
    experiment = client.get_experiment_by_name("cu-pipeline").experiment_id

    def begin() -> str:
        run = client.create_run(experiment, tags={PIPELINE: "train"}).info.run_id
        client.log_text(run, "page", "page.html")
        client.set_terminated(run)
        return run

    promoted, former, plain, newest = (begin() for _ in range(4))
    for number, run in enumerate((promoted, former, plain, newest)):
        with mlflow.start_run(run_id=run):
            registry.register(bundle, "kept", f"v{number}")
            if run in (plain, newest):
                logged_models.create(bundle, "kept", f"w{number}", "linear", [])
    change = Promotion.now("kept", ("v0", "v1"), "gate", "better")
    written(tracked_root / PLACES["promotions"], json.dumps(change.as_json()) + "\n")
    found = list(runs(project(tracked_root, runs=1)))
    assert [one.what.split()[-1] for one in found] == [plain]
    assert list(runs(project(tracked_root, later=1, runs=1))) == []
    for one in found:
        one.remove()
    assert {run.info.run_id for run in client.search_runs([experiment])} == {promoted, former, newest}
    assert not list((tracked_root / "mlruns/artifacts").glob(plain))
    assert {found.run_id for found in client.search_model_versions()} == {promoted, former, newest}
    (left,) = logged_models.all_of("kept")
    assert left.run_id == newest
    assert [path.name for path in (tracked_root / "mlruns/artifacts/models").iterdir()] == [left.model_id]
    client.delete_run(newest)
    assert list(deleted_runs(project(tracked_root))) == []


@pytest.mark.parametrize("call", ["delete_run", "files"])
def test_a_removal_of_a_run_that_stops_half_way_is_finished_by_the_next(tracked_root, monkeypatch, call):
    configure(tracked_root)
    client = MlflowClient()
    experiment = client.get_experiment_by_name("cu-pipeline").experiment_id
    old, *_ = [client.create_run(experiment, tags={PIPELINE: "train"}).info.run_id for _ in range(2)]
    for run in client.search_runs([experiment]):
        client.set_terminated(run.info.run_id)
    client.log_text(old, "page", "page.html")

    def stop(*_, **__):
        raise KeyboardInterrupt

    late = project(tracked_root, runs=1)
    (going,) = [one for one in runs(late) if one.what.endswith(old)]
    with monkeypatch.context() as patch:
        patch.setattr(*((MlflowClient, call) if call == "delete_run" else (shutil, "rmtree")), stop)
        with pytest.raises(KeyboardInterrupt):
            going.remove()
    left = [one for one in (*runs(late), *deleted_runs(late)) if one.what.endswith(old)]
    assert len(left) == 1
    left[0].remove()
    assert not [one for one in (*runs(late), *deleted_runs(late)) if one.what.endswith(old)]
    assert not list((tracked_root / "mlruns/artifacts").glob(old))

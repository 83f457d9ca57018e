"""A project in which a creator is planted in every store, each written by what writes it in a run or a service."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.records import CLIPS, LEDGER, table
from cu_pipeline.dedup.frame_hashes import HashLog, hash_key
from cu_pipeline.dedup.hash_table import Hashed
from cu_pipeline.erasure.project import Project
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.prediction_log import FeedbackRecord, Place, PredictionRecord, encode_embedding
from cu_pipeline.inference.prediction_log.database import Database
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.labeling.ledger import call_key
from cu_pipeline.media.options import Limits
from cu_pipeline.models.bundle import content_keys
from cu_pipeline.models.reference import FACTS, HAS, JSON, TEXTS, written
from cu_pipeline.tracking.catalog_files import CatalogFile

CREATOR = "zz.marker.7731"
IDS = ("zzclip-000001", "zzclip-000002")
OTHERS = ("v000000000aa", "v000000000bb", "v000000000cc")
LOG = "data/07_model_output/prediction_log"
LEDGERS = {
    "ledger": "data/05_model_input/ledger",
    "llm_calls": "data/05_model_input/llm_calls.jsonl",
    "gate_tests": "data/06_models/gate_tests.jsonl",
    "calibration_tests": "data/05_model_input/calibration_tests.jsonl",
}
PLACES = {"clips": "data/02_intermediate/clips.parquet", "prediction_log": LOG, **LEDGERS}
IDENTITY = Identity("captions", "f" * 16, (4,), {})


def project_of(root: Path) -> Project:
    """Give what an erasure knows of a planted project."""
    files = {name: CatalogFile(path, tracked=True, persist=False, type="") for name, path in PLACES.items()}
    return Project(root, files, (str(root / LOG),), Limits())


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _feed(root: Path, write_film: Callable[..., Path]) -> pd.DataFrame:
    """The last of the others has the caption of the second planted clip, and another shows what the first one shows."""
    media = root / "data/01_raw/media/aa"
    media.mkdir(parents=True)
    write_film(media / "planted.mp4", None)
    write_film(media / "other.mp4", np.zeros(16_000))
    texts = [
        "the first caption of the planted one",
        "a caption that two share",
        "one of another",
        "",
        "a caption that two share",
    ]
    films = ["planted.mp4", "", "other.mp4", "planted.mp4", ""]
    names = [CREATOR, CREATOR, "Ann", "Ben", ""]
    rows = [
        {"clip_id": clip, "creator": who, "text": text, "raw_text": text, "group": who or clip, "split": "train",
         "path": f"data/01_raw/media/aa/{film}" if film else "", "metadata": "{}", "bytes": 9, "has_audio": False,
         "media_sha256": file_sha256(media / film) if film else "", "text_sha256": text_sha256(text) if text else "",
         "posted_at": f"202{number}-01-01T00:00:00+00:00", "lang": "en", "lang_source": "feed", "codec": "h264",
         "duration_s": 1.0, "width": 64.0, "height": 48.0, "fps": 4.0, "feed": "manifest"}
        for number, (clip, who, text, film) in enumerate(zip((*IDS, *OTHERS), names, texts, films, strict=True))
    ]  # fmt: skip
    return table(rows, CLIPS)


def _tables(root: Path, clips: pd.DataFrame) -> None:
    for name in ("01_raw/manifest", "02_intermediate/clips"):
        path = root / f"data/{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        clips.to_parquet(path)
    rows = [{"key": f"{clip}/topic/ana", "clip_id": clip, "capability": "topic", "kind": "human", "annotator": "ana",
             "entered_at": "2026-01-01T00:00:00+00:00", "version": "", "label": "pets", "price": 0.1,
             "probability": 1.0, "tokens": 0, "draw": "", "batch": ""} for clip in (*IDS, *OTHERS)]  # fmt: skip
    rows += [row | {"key": call_key(f"{text_sha256('prompt ' + row['clip_id'])}-0"), "kind": "llm", "price": 0.5}
             for row in rows]  # fmt: skip
    ledger = root / LEDGERS["ledger"] / "part-000000-ab.parquet"
    ledger.parent.mkdir(parents=True)
    table(rows, LEDGER).to_parquet(ledger)
    tasks = [{"data": {"clip_id": clip, "text": text}, "meta": {}, "predictions": []}
             for clip, text in clips[["clip_id", "text"]].to_numpy()]  # fmt: skip
    write(root / "data/05_model_input/label_queue.json", json.dumps(tasks, indent=2) + "\n")
    write(root / "data/08_reporting/index.html", f"<p>{clips['text'][0]}</p><p>{IDS[1]}</p>")
    write(root / "data/08_reporting/leakage.json", json.dumps({"examples": {IDS[0]: "train", OTHERS[0]: "test"}}))
    clips[["clip_id", "path"]].to_csv(root / "data/08_reporting/rejects.csv", index=False)
    write(root / f"data/08_reporting/thumbnails/{clips['media_sha256'][2]}-200.jpg", "jpg")


def _logs(root: Path, clips: pd.DataFrame) -> None:
    HashLog(root / "data/02_intermediate/frame_hashes.jsonl").append(
        Hashed(hash_key(sha)) for sha in sorted(set(clips["media_sha256"]) - {""})
    )
    calls = [{"key": text_sha256(f"prompt {clip}"), "logprobs": [-1.0], "tokens": 3, "output_tokens": 0,
              "paid_for": {"capability": "topic", "model": "m", "version": "v", "clip_id": clip, "usd": 0.5}}
             for clip in clips["clip_id"]]  # fmt: skip
    write(root / LEDGERS["llm_calls"], "".join(json.dumps(one) + "\n" for one in calls))
    keys = sorted(content_keys(clips))
    write(root / LEDGERS["gate_tests"], json.dumps({"added": keys, "capability": "topic"}) + "\n")
    labels = dict.fromkeys(clips["clip_id"], "pets")
    write(root / LEDGERS["calibration_tests"], json.dumps({"capability": "topic", "labels": labels}) + "\n")
    said = [{"clip_id": clip, "annotator": "ana", "label": "pets"} for clip in clips["clip_id"]]
    write(root / "data/01_raw/people_annotations.jsonl", "".join(json.dumps(one) + "\n" for one in said))
    batch = {"batch": "b1", "items": [{"clip_id": clip} for clip in clips["clip_id"]]}
    write(root / "data/01_raw/people_batches.jsonl", json.dumps(batch) + "\n")
    write(root / "data/08_reporting/service.log", f"asked about {IDS[0]}\nasked about {OTHERS[0]}\n")


def _service(root: Path, clips: pd.DataFrame) -> None:
    place = Place.of(root / LOG)
    records = [
        PredictionRecord(
            time=datetime(2026, 1, 1, tzinfo=UTC), request_id=f"request-{number}", labels={"topic": "pets"},
            probabilities={"topic": {"pets": 1.0}}, versions={"topic": "1"}, embedding=encode_embedding(np.zeros(4)),
            facts={}, clip_id=clip, creator=who, media_sha256=media, text_sha256=text,
        )
        for number, (clip, who, media, text) in enumerate(
            clips[["clip_id", "creator", "media_sha256", "text_sha256"]].to_numpy()
        )
    ]  # fmt: skip
    said = [FeedbackRecord(time=datetime(2026, 1, 2, tzinfo=UTC), request_id=f"request-{number}", capability="topic",
                           label="pets", feedback_id=f"f{number}") for number in (0, 2)]  # fmt: skip
    database = Database(place)
    database.add([*records, *said])
    database.close()
    place.spool.mkdir(parents=True)
    waiting = [one.model_copy(update={"request_id": f"{one.request_id}-w"}) for one in records]
    write(place.spool / "gone.jsonl", "".join(one.model_dump_json() + "\n" for one in waiting))
    store = CaptureStore(root / "data/01_raw/capture")
    for number, row in enumerate(clips.to_dict("records")):
        media = root / row["path"] if row["path"] else None
        store.keep(f"kept-{number}", media, row["media_sha256"], row["text"], {"creator": row["creator"]})


def _model(root: Path, clips: pd.DataFrame, make_bundle: Callable[..., object]) -> None:
    contents = sorted(set(clips["text_sha256"]) - {""})
    store = FeatureStore(root / "data/04_feature")
    store.append(IDENTITY, contents, np.arange(4 * len(contents), dtype=np.float32).reshape(-1, 4))
    described = clips.assign(content=clips["media_sha256"] + "/" + clips["text_sha256"], language="en", truth="pets",
                             truth_source="human", text_length=3.0)  # fmt: skip
    described = described.assign(**dict.fromkeys(JSON, "{}"), **dict.fromkeys(HAS, 1.0))
    reference = written(described[[*TEXTS, *JSON, *FACTS, *HAS]], np.ones((len(clips), 4), np.float32), {"captions": 4})
    keys = tuple(sorted(set(content_keys(clips))))
    bundle = make_bundle(learned_from=keys, cross_fitted=np.zeros((len(keys), 3), np.float32))
    replace(bundle, reference=reference).save(root / "data/06_models/champions/topic")


def _mlflow(root: Path, clips: pd.DataFrame, database: Path) -> None:
    from cu_pipeline.tracking import mlflow_run

    (root / "mlruns").mkdir()
    shutil.copy(database, root / "mlruns")
    run = mlflow_run.start(root, "a run", {"pipeline": "collect"})
    import mlflow

    mlflow.log_param("example", IDS[0])
    mlflow.log_dict({"surest": [{"clip_id": clip} for clip in clips["clip_id"]]}, "insights.json")
    mlflow.log_text(f"<p>{IDS[0]}</p>", "index.html")
    mlflow.set_tag("mlflow.dvc.data/02_intermediate/clips.parquet", _md5(root / PLACES["clips"]))
    mlflow.end_run()
    assert run


def _md5(path: Path) -> str:
    from cu_pipeline.tracking.dvc_lock import dvc_md5

    return dvc_md5(path) or ""


def _dvc(root: Path) -> None:
    """The cache and a remote have two tables and a folder, as `dvc commit` and `dvc push` leave them."""
    write(root / ".dvc/config", f"[core]\n    no_scm = true\n['remote \"local\"']\n    url = {REMOTE}\n")
    cache = root / ".dvc/cache/files/md5"
    for name in (PLACES["clips"], LEDGERS["llm_calls"]):
        _cache(cache, (root / name).read_bytes())
    parts = sorted((root / LEDGERS["ledger"]).iterdir())
    listing = [{"md5": _cache(cache, part.read_bytes()), "relpath": part.name} for part in parts]
    _cache(cache, json.dumps(listing).encode(), ".dir")
    shutil.copytree(cache, root / "data/.dvc-remote/files/md5")


REMOTE = "../data/.dvc-remote"


def _cache(cache: Path, content: bytes, suffix: str = "") -> str:
    name = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = cache / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)
    return name


def plant(
    root: Path, write_film: Callable[..., Path], make_bundle: Callable[..., object], tracking_database: Path
) -> None:
    """Write the project."""
    clips = _feed(root, write_film)
    _tables(root, clips)
    _logs(root, clips)
    _service(root, clips)
    _model(root, clips, make_bundle)
    _mlflow(root, clips, tracking_database)
    _dvc(root)

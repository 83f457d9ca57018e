"""An erasure on a real object store and a real PostgreSQL, the bytes of both servers read afterwards."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.servers.object_store import ObjectStore
from tests.servers.postgres import PASSWORD, Postgres, started

from cu_pipeline.core.databases import VARIABLE, connect
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.places import file_system
from cu_pipeline.core.shared_folder import fetch_version, publish_files, publish_version
from cu_pipeline.core.stores import StoresOptions
from cu_pipeline.erasure.erase import complete, prepare, survey
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import TOMBSTONES, Project, Wanted
from cu_pipeline.erasure.shared import reachable
from cu_pipeline.erasure.verify import search_stores
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.prediction_log import FeedbackRecord, Place, PredictionRecord, encode_embedding, read_latest
from cu_pipeline.inference.prediction_log.database import Database
from cu_pipeline.ingest.media_store import FOLDER
from cu_pipeline.labeling.people.shared_log import SharedLines
from cu_pipeline.media.options import Limits
from cu_pipeline.models.bundle import Bundle

CLIP, CREATOR, KEY, OTHER = "zzclip-000001", "zz.marker.7731", "ab12" * 4, "v000000000aa"
FILM, CAPTION = b"film of the planted one", text_sha256("what the planted one says")
TOY = Identity("toy", 1, (2,), "w")
STORES = ("features", "champions", "reports", "media")


def wanted(media: str) -> Wanted:
    known = {"clips": {CLIP}, "creators": {CREATOR}, "media": {media}, "texts": {CAPTION}, "alone": {CAPTION}}
    return Wanted(Identities(**{name: frozenset(one) for name, one in known.items()}, others=frozenset({KEY})))


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def holding(folder: Path, media: str) -> list[str]:
    """Search all bytes and names, tables decoded: independent of what is tested."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != TOMBSTONES):
        content = path.read_bytes()
        if content.startswith(b"PAR1"):
            content += pd.read_parquet(path).to_csv().encode()
        if any(one.encode() in content or one in str(path) for one in (CLIP, CREATOR, KEY, CAPTION, media)):
            found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture
def published(bucket: str, tmp_path: Path, make_bundle: Callable[..., Bundle]) -> tuple[Project, str]:
    """A project whose stores are on a bucket, in two versions and with what a killed writer left; a film's hash."""
    stores = StoresOptions(**{name: f"{bucket}/{name}" for name in STORES})
    store = FeatureStore(f"{bucket}/features", PlaceCache(tmp_path / "data/.places"))
    store.append(TOY, [CAPTION, "c" * 64], np.ones((2, 2), np.float32))
    store.append(TOY, ["d" * 64], np.ones((1, 2), np.float32))
    film = write(tmp_path / "film", FILM)
    media = file_sha256(film)
    film.unlink()
    elsewhere = tmp_path / "elsewhere"
    for name in (FILM, b"another film"):
        path = write(elsewhere / FOLDER / "x", name)
        sha = file_sha256(path)
        (elsewhere / FOLDER / sha[:2]).mkdir()
        path.rename(elsewhere / FOLDER / sha[:2] / f"{sha}.mp4")
    publish_files(f"{bucket}/media", elsewhere / FOLDER, "[0-9a-f][0-9a-f]/*")
    make_bundle(learned_from=(KEY, "e" * 16), cross_fitted=np.ones((2, 3), np.float32)).save(elsewhere / "champions")
    for said in ("old", "new"):
        write(elsewhere / "reports/surest.json", json.dumps({said: [{"clip_id": CLIP}, {"clip_id": OTHER}]}))
        write(elsewhere / f"reports/thumbnails/{media}-200.jpg", "jpg")
        write(elsewhere / "reports/index.html", f"<p>{CREATOR}</p>")
        publish_version(f"{bucket}/reports", elsewhere, ["reports"])
    publish_version(f"{bucket}/champions", elsewhere, ["champions"])
    _write_there(f"{bucket}/reports", "files/half", {"clip_id": CLIP})
    shutil.rmtree(elsewhere)
    return Project(tmp_path, {}, (str(tmp_path / "log"),), Limits(), stores=stores), media


def _write_there(address: str, name: str, told: dict[str, str]) -> None:
    """Leave a file that no manifest names."""
    system, path = file_system(address)
    system.pipe_file(f"{path}/{name}", json.dumps(told).encode())


def test_stores_on_a_bucket_lose_it_in_all_versions_and_keep_the_rest(
    published: tuple[Project, str], bucket: str, object_store: ObjectStore
) -> None:
    project, media = published
    there = object_store.folder / bucket.removeprefix("s3://")
    before = holding(there, media)
    listed = {held.holder for held in survey(project, wanted(media))}
    assert listed == {"shared features", "shared media", "shared versions", "copies of shared places"}
    assert holding(there, media) == before != []
    list(complete(project, prepare(project, wanted(media), reason="", retrain=False)))
    assert holding(there, media) == []
    assert holding(project.root, media) == []
    assert list(search_stores(project, [CLIP], [CREATOR])) == []
    assert FeatureStore(f"{bucket}/features").missing(TOY, [CAPTION, "c" * 64, "d" * 64]) == [CAPTION]
    assert len(list((there / "media/files").rglob("*.mp4"))) == 1
    fetch_version(f"{bucket}/reports", project.root / "again")
    assert json.loads((project.root / "again/reports/surest.json").read_text()) == {"new": [{"clip_id": OTHER}]}
    fetch_version(f"{bucket}/champions", project.root / "again")
    bundle = Bundle.load(project.root / "again/champions")
    assert bundle.learned_from == ("e" * 16,)
    assert len(list((there / "reports/versions").iterdir())) == 2
    _write_there(f"{bucket}/champions", "files/late", {"who": CREATOR})
    assert [line.rpartition(": ")[0] for line in search_stores(project, [], [])] == [f"{bucket}/champions/files/late"]


def test_cut_short_after_any_step_it_is_completed(
    published: tuple[Project, str], bucket: str, object_store: ObjectStore
) -> None:
    project, media = published
    journal = prepare(project, wanted(media), reason="", retrain=False)
    steps = 0
    while True:  # each round does one thing, and dies
        going = complete(project, journal)
        if next(going, None) is None:
            break
        going.close()
        steps += 1
    assert steps > 8
    assert holding(object_store.folder / bucket.removeprefix("s3://"), media) == []


def test_nothing_is_begun_while_a_place_does_not_answer(bucket: str, tmp_path: Path) -> None:
    stores = StoresOptions(features=f"{bucket}/features", media=f"{bucket}-absent/media")
    project = Project(tmp_path, {}, (), Limits(), stores=stores)
    left, failed = reachable(project)
    assert (left.stores.features, left.stores.media) == (stores.features, None)
    assert "Make it, or correct the address" in failed[0]
    with pytest.raises(StoreError, match=r"nothing was changed: stores\.media"):
        prepare(project, wanted("f" * 64), reason="", retrain=False)
    assert not (tmp_path / "data/.erasure.json").exists()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Postgres, Path]]:
    with started() as made:
        yield made, made.home / "data/base"


def test_the_shared_database_loses_it_and_no_copy_brings_it_back(
    server: tuple[Postgres, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_PASSWORD", PASSWORD)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    address = f"postgresql+psycopg://postgres:{{LOG_PASSWORD}}@127.0.0.1:{server[0].port}/postgres"
    monkeypatch.setenv(VARIABLE, address)
    here, other = tmp_path / "data/01_raw/people_annotations.jsonl", tmp_path / "clone/people_annotations.jsonl"
    said = [json.dumps({"clip_id": clip, "label": "pets"}) for clip in (CLIP, OTHER)]
    batch = json.dumps({"batch": "b1", "items": [{"clip_id": CLIP}, {"clip_id": OTHER}]})
    SharedLines(address, here).append([*said, batch])
    SharedLines(address, other).append([])  # a colleague's copy, as it was before
    _answered(address)
    project = Project(tmp_path, {}, (address,), Limits(), database=address)
    assert {held.holder for held in survey(project, wanted("f" * 64))} == {
        "people's answers in the shared database", "prediction log", "tables, logs and pages",
    }  # fmt: skip
    list(complete(project, prepare(project, wanted("f" * 64), reason="", retrain=False)))
    kept = [said[1].encode(), json.dumps({"batch": "b1", "items": [{"clip_id": OTHER}]}).encode()]
    for path in (other, here):
        assert SharedLines(address, path).read() == kept
        SharedLines(address, path).append([])
        assert path.read_bytes().splitlines() == kept
    assert [one.clip_id for one in read_latest(address, 100)] == [OTHER]
    with connect(address, "test", autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    assert holding(server[1], "f" * 64) == []
    assert list(search_stores(project, [CLIP], [CREATOR])) == []
    with connect(address, "test") as connection:
        connection.execute("INSERT INTO people_lines (log, line, actor) VALUES ('x', %s, '')", [said[0]])
    assert [line.split(": ")[-2] for line in search_stores(project, [], [])] == ["people_lines"]


def _answered(address: str) -> None:
    first = PredictionRecord(
        time=datetime(2026, 1, 1, tzinfo=UTC), request_id="request-1", labels={"topic": "pets"},
        probabilities={"topic": {"pets": 1.0}}, versions={"topic": "1"}, embedding=encode_embedding(np.zeros(4)),
        facts={}, clip_id=CLIP, creator=CREATOR, text_sha256=CAPTION,
    )  # fmt: skip
    second = first.model_copy(update={"request_id": "request-2", "clip_id": OTHER, "creator": "", "text_sha256": ""})
    comment = FeedbackRecord(time=datetime(2026, 1, 2, tzinfo=UTC), request_id="request-1", capability="topic",
                             label="pets", feedback_id="f1", comment=f"about {CREATOR}")  # fmt: skip
    database = Database(Place.of(address))
    database.prepare()
    database.add([first, second, comment])
    database.close()

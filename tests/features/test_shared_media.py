"""Workers of a cluster whose machine lacks the media: they find them on a real S3 server, by content."""

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.features.test_spread import Here

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core import counters
from cu_pipeline.core.errors import PlaceError
from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.place_cache import FOLDER, PlaceCache
from cu_pipeline.core.shared_folder import publish_files
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.shared_media import FETCHED, SharedMedia
from cu_pipeline.features.spread import Featurizer, chunks_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.media.options import Limits


@pytest.fixture
def media(bucket, tmp_path):
    return SharedMedia(f"{bucket}/media", PlaceCache(tmp_path / "cache"))


@pytest.fixture
def elsewhere(bucket, tmp_path):
    """The same place as another machine sees it, with nothing cached."""
    return SharedMedia(f"{bucket}/media", PlaceCache(tmp_path / "other"))


def written(folder, *contents):
    """Files by the hash of their content."""
    folder.mkdir(exist_ok=True)
    files = {}
    for content in contents:
        sha = hashlib.sha256(content).hexdigest()
        (folder / f"{content[:6].decode()}.mp4").write_bytes(content)
        files[sha] = str(folder / f"{content[:6].decode()}.mp4")
    return files


def gone(files, folder):
    """The same contents under paths where a machine without them looks."""
    return {sha: str(folder / Path(path).name) for sha, path in files.items()}


def test_a_machine_without_the_files_finds_them_by_content(media, elsewhere, tmp_path):
    files = written(tmp_path / "here", b"first content", b"second content")
    assert media.publish(files) == 2
    assert media.publish(files) == 0
    lacked = gone(files, tmp_path / "there")
    counters.reset()
    for _ in range(2):
        with elsewhere.at_hand(lacked) as found:
            assert [Path(path).read_bytes() for path in found.values()] == [b"first content", b"second content"]
            assert list(found) == list(files)
    assert counters.counts()[FETCHED] == 4
    with elsewhere.at_hand(files) as found:
        assert found == files


def test_what_neither_machine_nor_place_has_keeps_its_path(media, tmp_path):
    lacked = gone(written(tmp_path / "here", b"first content"), tmp_path / "there")
    with media.at_hand(lacked) as found:
        assert found == lacked


def test_media_that_a_person_has_pushed_are_found(bucket, elsewhere, tmp_path):
    ((sha, path),) = written(tmp_path / "here", b"first content").items()
    fetched = tmp_path / "media" / sha[:2] / f"{sha}.mp4"
    fetched.parent.mkdir(parents=True)
    Path(path).rename(fetched)
    publish_files(f"{bucket}/media", tmp_path / "media", "[0-9a-f][0-9a-f]/*")
    with elsewhere.at_hand({sha: str(tmp_path / "nowhere" / fetched.name)}) as found:
        assert Path(found[sha]).read_bytes() == b"first content"


def test_copies_stay_in_their_bound_and_what_is_too_large_goes_with_the_work(bucket, media, tmp_path):
    files = written(tmp_path / "here", *(f"{number:06d}".encode() * 100 for number in range(20)))
    media.publish(files)
    cache = PlaceCache(tmp_path / "small", most=4000)
    for sha, path in gone(files, tmp_path / "there").items():
        with SharedMedia(f"{bucket}/media", cache).at_hand({sha: path}) as found:
            assert len(Path(found[sha]).read_bytes()) == 600
    cache.trim()
    assert sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file()) <= 4000
    tiny = SharedMedia(f"{bucket}/media", PlaceCache(tmp_path / "tiny", most=100))
    with tiny.at_hand(gone(files, tmp_path / "there")) as found:
        copies = [Path(path) for path in found.values()]
        assert all(len(copy.read_bytes()) == 600 for copy in copies)
    assert not any(copy.exists() for copy in copies)


def test_a_file_that_was_changed_is_not_sent_and_one_that_was_damaged_there_is_told(
    media, elsewhere, object_store, bucket, tmp_path
):
    files = written(tmp_path / "here", b"first content", b"second content")
    Path(files[hashlib.sha256(b"second content").hexdigest()]).write_bytes(b"another")
    media.publish(files)
    (sent,) = (object_store.folder / bucket.removeprefix("s3://")).rglob("*.mp4")
    sent.write_bytes(b"fiRST content")
    with pytest.raises(PlaceError, match="is damaged"), elsewhere.at_hand(gone(files, tmp_path / "there")):
        pass
    assert not list((tmp_path / "other").rglob(f"{sent.stem}*"))


WORKER = """
import pickle, sys
featurizer, chunk = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(featurizer(chunk)))
"""


def test_a_worker_in_a_folder_without_the_files_stores_the_same_bytes(bucket, write_film, tmp_path):
    """The worker is another process in another folder, to which only names travel."""
    extractors = [build_all(FeatureOptions(motion={}, sound={}))[name] for name in ("motion", "sound")]
    (tmp_path / "project").mkdir()
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000)
    films = [write_film(tmp_path / "project" / f"{end}.mp4", noise[:end]) for end in (32_000, 48_000)]
    contents = {"media": {file_sha256(film): str(film) for film in films}, "text": {}}
    here = FeatureStore(tmp_path / "store")
    for part in extract_missing(extractors, contents, here, Limits(), LocalMapper(1)):
        here.append(part.identity, part.keys, part.values)
    media = SharedMedia(f"{bucket}/media")
    media.publish(contents["media"])
    (tmp_path / "project").rename(tmp_path / "unseen")
    (chunk,) = chunks_of(extractors, contents, [list(contents["media"])] * 2)
    (tmp_path / "node").mkdir()
    shared = Featurizer(extractors, f"{bucket}/features", Limits(), media)
    worker = subprocess.run(
        [sys.executable, "-c", WORKER], input=pickle.dumps((shared, chunk)), cwd=tmp_path / "node",
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), ROOT_VARIABLE: str(tmp_path / "node")},
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    done = pickle.loads(worker.stdout)
    assert done.counts[FETCHED] == done.tallies[0].encoded == len(films)
    assert len(list((tmp_path / "node" / FOLDER).rglob("*/[0-9a-f]*"))) >= len(films)
    there = FeatureStore(f"{bucket}/features", PlaceCache(tmp_path / "cache"))
    keys = list(contents["media"])
    for one in extractors:
        assert there.read(one.identity, keys).tobytes() == here.read(one.identity, keys).tobytes()


def test_what_is_nowhere_is_left_for_the_next_run(bucket, tmp_path, monkeypatch, caplog):
    extractors = [build_all(FeatureOptions(motion={}))["motion"]]
    store = FeatureStore(tmp_path / "store", media=SharedMedia(f"{bucket}/media", PlaceCache(tmp_path / "cache")))
    contents = {"media": {"0" * 64: str(tmp_path / "lost.mp4")}, "text": {}}
    monkeypatch.setattr("cu_pipeline.features.spread.KeptMapper", lambda: LocalMapper(1))
    assert list(extract_missing(extractors, contents, store, Limits(), Here())) == []
    assert store.missing(extractors[0].identity, ["0" * 64]) == ["0" * 64]
    assert "there is no such file" in caplog.text

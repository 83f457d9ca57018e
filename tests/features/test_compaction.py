"""Small parts become few while others read, write, join as well, or are killed."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.test_spread import Captions, Here, captions
from tests.servers.object_store import StallingProxy

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.features import compaction
from cu_pipeline.features.compaction import compact
from cu_pipeline.features.encoding import CHUNK
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.parts import held
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.store import FeatureStore, part_keys, publish_parts, shorten_part
from cu_pipeline.media.options import Limits

IDENTITY = Identity(name="toy", version=1, shape=(2, 64), weights_sha256="w")
SMALL = 8 * 1024
"""Bytes of a joined part in these tests: some chunks of `keys_of_chunk`."""


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(compaction, "LARGE", SMALL)


def keys_of_chunk(writer: str, number: int) -> list[str]:
    return [f"{writer}-{number}-{row}" for row in range(4)]


def vectors(keys: list[str]) -> np.ndarray:
    """Values that do not get smaller, the same for the same keys."""
    return np.stack([np.random.default_rng(list(key.encode())).random(IDENTITY.shape, np.float32) for key in keys])


def append_all(store: FeatureStore, writer: str, chunks: int) -> list[str]:
    chunked = [keys_of_chunk(writer, number) for number in range(chunks)]
    for keys in chunked:
        store.append(IDENTITY, keys, vectors(keys))
    return [key for keys in chunked for key in keys]


def parts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("part-*.parquet"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_many_small_parts_become_few_and_the_vectors_stay(tmp_path):
    store, other = FeatureStore(tmp_path), FeatureStore(tmp_path)
    keys = append_all(store, "w", 20)
    before = other.read(IDENTITY, keys)
    assert compact(store, IDENTITY, many=20) == 0
    assert compact(store, IDENTITY, many=19) == 20
    assert 1 < len(parts(tmp_path)) < 8
    assert sum(len(part_keys(part)) for part in parts(tmp_path)) == len(keys)
    assert other.missing(IDENTITY, [*keys, "new"]) == ["new"]
    assert other.read(IDENTITY, keys[::-1]).tobytes() == before[::-1].tobytes()
    assert compact(store, IDENTITY, many=20) == 0


def test_a_second_time_takes_the_new_and_leaves_what_is_large(tmp_path):
    store = FeatureStore(tmp_path)
    keys = append_all(store, "a", 20)
    compact(store, IDENTITY, many=1)
    large = {path for path in parts(tmp_path) if path.stat().st_size >= SMALL // 2}
    keys += append_all(store, "b", 10)
    compact(store, IDENTITY, many=1)
    assert large <= set(parts(tmp_path))
    assert store.read(IDENTITY, keys).tobytes() == vectors(keys).tobytes()


def test_the_same_parts_give_the_same_bytes_in_whatever_order_they_came(tmp_path):
    for folder, chunks in ((tmp_path / "one", range(9)), (tmp_path / "two", reversed(range(9)))):
        for number in chunks:
            keys = keys_of_chunk("w", number)
            FeatureStore(folder).append(IDENTITY, keys, vectors(keys))
        compact(FeatureStore(folder), IDENTITY, many=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@settings(max_examples=12)
@given(st.lists(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1), min_size=2, max_size=8), st.data())
def test_of_several_features_of_a_content_the_same_is_read_before_and_after(tmp_path_factory, batches, data):
    store = FeatureStore(folder := tmp_path_factory.mktemp("store"))
    known = {}
    for number, batch in enumerate(batches):
        store.append(IDENTITY, batch, np.full((len(batch), 2, 64), number, np.float32))
        if data.draw(st.booleans()):
            known = {
                key: store.read(IDENTITY, [key]).tobytes() for key in {key for one in batches[:number] for key in one}
            }
            compact(store, IDENTITY, many=1)
            assert all(store.read(IDENTITY, [key]).tobytes() == value for key, value in known.items())
    stored = sorted({key for batch in batches for key in batch})
    before = store.read(IDENTITY, stored)
    compact(store, IDENTITY, many=1)
    assert FeatureStore(folder).read(IDENTITY, stored).tobytes() == before.tobytes()


def test_a_full_disk_leaves_small_parts_as_they_are(tmp_path, monkeypatch, caplog):
    store = FeatureStore(tmp_path)
    keys = append_all(store, "w", 20)
    before, stored = contents(tmp_path), store.read(IDENTITY, keys)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(compaction, "write_part", full)
    assert compact(store, IDENTITY, many=2) == 0
    assert "toy: small parts stay as they are: [Errno 28] No space left on device" in caplog.text
    assert before.items() <= contents(tmp_path).items()
    np.testing.assert_array_equal(store.read(IDENTITY, keys), stored)


def test_pictures_stay_where_they_are_and_texts_do_not(tmp_path):
    store = FeatureStore(tmp_path)
    words = Identity(name="words", version=1, shape=(), weights_sha256="")
    frames = Identity(name="frames", version=1, shape=(1, 8, 8, 3), weights_sha256="")
    for number in range(4):
        store.append(words, [f"{number}", f"{number}+"], np.array([f"é{number}", None], dtype=object))
        store.append(frames, [f"{number}"], Pictures([(b"jpeg",)], frames.shape))
    assert compact(store, words, many=1) == 4
    assert compact(store, frames, many=1) == 0
    assert store.read(words, ["2", "0+", "3"]).tolist() == ["é2", None, "é3"]
    assert len(parts(tmp_path / "frames")) == 4


def test_of_a_joined_part_only_the_groups_of_rows_that_are_wanted_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("cu_pipeline.features.parts._GROUP", 2048)
    store = FeatureStore(tmp_path)
    keys = append_all(store, "w", 8)
    compact(store, IDENTITY, many=1)
    read = []
    groups = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile, "read_row_groups", lambda self, some, **more: read.append(some) or groups(self, some, **more)
    )
    wanted = [keys[0], keys[20], keys[21], keys[0]]
    assert store.read(IDENTITY, wanted).tobytes() == vectors(wanted).tobytes()
    whole = [pq.ParquetFile(part).num_row_groups for part in parts(tmp_path)]
    assert 0 < sum(map(len, read)) <= 3 < sum(whole)


def test_who_reads_while_parts_go_finds_all(tmp_path, monkeypatch):
    store, other = FeatureStore(tmp_path), FeatureStore(tmp_path)
    keys = append_all(store, "w", 10)
    index = type(store).index

    def then_compacted(self, feature):
        found = index(self, feature)
        compact(other, IDENTITY, many=1)
        return found

    monkeypatch.setattr(type(store), "index", lambda self, key: (then_compacted if self is store else index)(self, key))
    assert store.read(IDENTITY, keys).tobytes() == vectors(keys).tobytes()
    assert len(parts(tmp_path)) < 5


def test_two_do_not_join_at_once_and_who_erases_waits(tmp_path):
    store = FeatureStore(tmp_path)
    keys = append_all(store, "w", 5)
    part, done = parts(tmp_path)[0], Event()
    with held(store.folder(IDENTITY), wait=True):
        assert compact(store, IDENTITY, many=1) == 0
        gone = set(part_keys(part))
        eraser = Thread(target=lambda: (shorten_part(part, set(keys) - gone), done.set()))
        eraser.start()
        assert not done.wait(0.2)
    eraser.join()
    assert compact(store, IDENTITY, many=1) == 3
    assert set(store.missing(IDENTITY, keys)) == gone


@pytest.mark.parametrize("engine", [LocalMapper(), Here()], ids=["local", "spread"])
def test_a_run_joins_what_it_stored_and_engines_leave_the_same(tmp_path, monkeypatch, engine):
    monkeypatch.setattr(compact, "__defaults__", (3,))
    found = {}
    for name, mapper in (("local", LocalMapper()), ("other", engine)):
        store = FeatureStore(tmp_path / name)
        for chunk in extract_missing([Captions()], captions(5 * CHUNK), store, Limits(), mapper):
            store.append(chunk.identity, chunk.keys, chunk.values)
        assert len(parts(tmp_path / name)) == 1
        found[name] = contents(tmp_path / name)
    assert found["local"] == found["other"]


COMPACTOR = """
    import sys
    sys.path[:0] = {path!r}
    from pathlib import Path
    from cu_pipeline.core.place_cache import PlaceCache
    from cu_pipeline.features import compaction
    from cu_pipeline.features.store import FeatureStore
    from tests.features.test_compaction import IDENTITY, SMALL

    compaction.LARGE = SMALL
    {before}
    compaction.compact(FeatureStore({address!r}, PlaceCache(Path({cache!r}))), IDENTITY, many=1)
"""
KILLED_LOCALLY = {
    "writing": "import os, pyarrow.parquet as pq; write = pq.write_table; "
    "pq.write_table = lambda *given, **more: (write(*given, **more), os.kill(os.getpid(), 9))",
    "removing": "import os; unlink, gone = Path.unlink, []; "
    "Path.unlink = lambda self, **more: (unlink(self, **more), self.suffix == '.parquet' and gone.append(self), "
    "len(gone) == 3 and os.kill(os.getpid(), 9))",
}


def compactor(project_root: Path, address: str, cache: Path, before: str = "") -> list[str]:
    code = textwrap.dedent(COMPACTOR).format(
        path=[str(project_root), *sys.path], address=address, cache=str(cache), before=before
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("moment", KILLED_LOCALLY)
def test_one_that_is_killed_on_a_disk_loses_nothing_and_the_next_finishes(tmp_path, project_root, moment):
    store = FeatureStore(tmp_path / "store")
    keys = append_all(store, "w", 12)
    command = compactor(project_root, str(store.root), tmp_path / "cache", KILLED_LOCALLY[moment])
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(parts(tmp_path)) == {"writing": 12, "removing": 12 + 1 - 3}[moment]
    keys += append_all(store, "later", 2)
    assert store.read(IDENTITY, keys).tobytes() == vectors(keys).tobytes()
    compact(store, IDENTITY, many=1)
    assert store.read(IDENTITY, keys).tobytes() == vectors(keys).tobytes()
    assert sum(len(part_keys(part)) for part in parts(tmp_path)) == len(keys)


def on_bucket(bucket: str, cache: Path) -> FeatureStore:
    return FeatureStore(f"{bucket}/features", PlaceCache(cache))


def test_on_a_shared_place_two_write_one_joins_is_killed_and_nothing_is_lost(
    bucket, object_store, tmp_path, project_root
):
    store, other = on_bucket(bucket, tmp_path / "one"), on_bucket(bucket, tmp_path / "two")
    keys = append_all(store, "first", 12)
    folder = f"/{bucket[5:]}/features/toy/{IDENTITY.fingerprint}/"
    for request in (f"PUT {folder}part-0-", f"PUT {folder}manifests/", f"DELETE {folder}part-"):
        proxy = StallingProxy(object_store.port, request.encode(), after=0)
        command = compactor(project_root, f"{bucket}/features", tmp_path / "killed")
        killed = subprocess.Popen(command, env=os.environ | object_store.environment(proxy.port))
        writer = Thread(target=append_all, args=(other, request[:3], 3))
        try:
            writer.start()
            assert proxy.stalled.wait(60)
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
            proxy.close()
            writer.join()
        keys += [key for number in range(3) for key in keys_of_chunk(request[:3], number)]
        elsewhere = on_bucket(bucket, tmp_path / request[:12].replace("/", "-"))
        assert elsewhere.missing(IDENTITY, keys) == []
        assert elsewhere.read(IDENTITY, keys).tobytes() == vectors(keys).tobytes()
    compact(store, IDENTITY, many=1)
    shelf = store.shared.shelf(IDENTITY.name, IDENTITY.fingerprint)
    assert sum(len(part.keys) for part in store.shared.parts(IDENTITY.name, IDENTITY.fingerprint)) == len(set(keys))
    assert len(shelf.entries()) < 10
    assert {entry.name for entry in shelf.told()} == set(shelf.entries())
    assert other.read(IDENTITY, keys).tobytes() == vectors(keys).tobytes()


def test_a_store_that_is_joined_on_a_shared_place_has_the_parts_of_one_on_a_disk(bucket, object_store, tmp_path):
    local, shared = FeatureStore(tmp_path / "local"), on_bucket(bucket, tmp_path / "cache")
    for store in (local, shared):
        append_all(store, "w", 9)
        compact(store, IDENTITY, many=1)
    written = sorted(path.read_bytes() for path in parts(tmp_path / "local"))
    assert sorted(path.read_bytes() for path in parts(object_store.folder / bucket[5:])) == written
    assert publish_parts(tmp_path / "local", shared.shared) == 0


def test_what_was_erased_meanwhile_does_not_come_back_from_a_joined_part(bucket, tmp_path, monkeypatch):
    store, other = on_bucket(bucket, tmp_path / "one"), on_bucket(bucket, tmp_path / "two")
    keys = append_all(store, "w", 4)
    read = compaction.read_table

    def then_erased(part, feature):
        table = read(part, feature)
        for one in other.shared.parts(IDENTITY.name, IDENTITY.fingerprint):
            if keys[0] in one.keys:
                other.shared.remove((IDENTITY.name, IDENTITY.fingerprint), [one])
        return table

    monkeypatch.setattr(compaction, "read_table", then_erased)
    compact(store, IDENTITY, many=1)
    assert store.missing(IDENTITY, keys) == keys[:4]

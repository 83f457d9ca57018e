import io
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from tests.servers.object_store import StallingProxy

from cu_pipeline.core.errors import PlaceError, StoreError
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.pictures import Pictures
from cu_pipeline.features.store import FeatureStore, shorten_shared_part

IDENTITY = Identity(name="toy", version=1, shape=(8, 256), weights_sha256="w")


def vectors(keys: list[str]) -> np.ndarray:
    """Values that do not get smaller, the same for the same keys."""
    return np.stack([np.random.default_rng(list(key.encode())).random(IDENTITY.shape, np.float32) for key in keys])


def chunk(writer: str, number: int) -> list[str]:
    return [f"{writer}-{number}-{row}" for row in range(32)]


def append_all(store: FeatureStore, writer: str, chunks: int) -> None:
    for number in range(chunks):
        store.append(IDENTITY, chunk(writer, number), vectors(chunk(writer, number)))


def parts(object_store, bucket: str) -> list[Path]:
    return sorted((object_store.folder / bucket.removeprefix("s3://")).rglob("part-*.parquet"))


@pytest.fixture
def store(bucket, tmp_path) -> FeatureStore:
    return FeatureStore(f"{bucket}/features", PlaceCache(tmp_path / "cache"))


@pytest.fixture
def elsewhere(bucket, tmp_path) -> FeatureStore:
    """The same store as another machine sees it, with nothing cached."""
    return FeatureStore(f"{bucket}/features", PlaceCache(tmp_path / "other"))


def test_another_machine_reads_the_same_bytes_as_from_a_local_store(store, elsewhere, object_store, bucket, tmp_path):
    local = FeatureStore(tmp_path / "local")
    texts = Identity(name="words", version=1, shape=(), weights_sha256="w")
    for one in (local, store):
        one.append(IDENTITY, ["a", "b"], vectors(["a", "b"]))
        one.append(IDENTITY, ["c"], vectors(["c"]))
        one.append(texts, ["a", "b"], np.array(["é", None], dtype=object))
    written = [path.read_bytes() for path in sorted((tmp_path / "local").rglob("part-*.parquet"))]
    assert [path.read_bytes() for path in parts(object_store, bucket)] == written
    assert elsewhere.missing(IDENTITY, ["d", "c", "a", "d"]) == ["d"]
    assert elsewhere.read(IDENTITY, ["c", "a"]).tobytes() == local.read(IDENTITY, ["c", "a"]).tobytes()
    assert elsewhere.read(texts, ["b", "a"]).tolist() == [None, "é"]
    assert np.isnan(elsewhere.read(IDENTITY, ["d", "a"], partial=True)[0]).all()
    with pytest.raises(StoreError, match="1 of 1 features of 'toy' are not stored"):
        elsewhere.read(IDENTITY, ["d"])


def test_a_part_is_fetched_once_and_the_copies_stay_within_their_bound(store, elsewhere, object_store, bucket):
    append_all(store, "w", 4)
    cache = elsewhere.shared._cache
    first = elsewhere.read(IDENTITY, chunk("w", 0))
    for path in parts(object_store, bucket):
        path.write_bytes(bytes(path.stat().st_size))  # whoever asks the place again sees nothing but zeros
    assert elsewhere.read(IDENTITY, chunk("w", 0)).tobytes() == first.tobytes()
    with pytest.raises(PlaceError, match=r"has other bytes than were published\. Delete it"):
        elsewhere.read(IDENTITY, chunk("w", 1))
    cache.most = max(path.stat().st_size for path in parts(object_store, bucket))
    cache.trim()
    assert sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file()) <= cache.most


def test_of_a_part_only_the_columns_and_rows_that_are_wanted_are_read(bucket, tmp_path, object_store, monkeypatch):
    identity = Identity(name="frames", version=1, shape=(2, 128, 128, 3), weights_sha256="")
    random, clips = np.random.default_rng(0), []
    for _ in range(24):
        stream = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (128, 128, 3), dtype=np.uint8)).save(stream, "JPEG", quality=95)
        clips.append((stream.getvalue(), stream.getvalue()))
    clips[3] = None
    keys = [f"k{number}" for number in range(24)]
    writer = FeatureStore(f"{bucket}/features", PlaceCache(tmp_path / "writer"))
    writer.append(identity, keys, Pictures(clips, identity.shape))
    tiny = FeatureStore(f"{bucket}/features", PlaceCache(tmp_path / "tiny", most=10_000))
    read = []
    import s3fs

    ask = s3fs.S3File._fetch_range
    monkeypatch.setattr(s3fs.S3File, "_fetch_range", lambda self, a, b: read.append(b - a) or ask(self, a, b))
    found = pickle.loads(pickle.dumps(tiny.read(identity, ["k20", "k3", "k1"])))
    assert found.present.tolist() == [True, False, True]
    assert (found.encoded(0), found.encoded(1), found.encoded(2)) == (clips[20], None, clips[1])
    assert sum(read) < 0.4 * parts(object_store, bucket)[0].stat().st_size


WRITER = """
    import sys
    sys.path[:0] = {path!r}
    from pathlib import Path
    from cu_pipeline.core.place_cache import PlaceCache
    from cu_pipeline.features.store import FeatureStore
    from tests.features.test_shared_store import append_all

    append_all(FeatureStore({address!r}, PlaceCache(Path({cache!r}))), "killed", 4)
"""


@pytest.mark.parametrize(("pattern", "after"), [(b"/part-", 30_000), (b"/manifests/", 0)], ids=["part", "manifest"])
def test_of_two_writers_one_is_killed_and_the_store_is_whole(
    store, elsewhere, bucket, object_store, tmp_path, project_root, pattern, after
):
    folder = f"PUT /{bucket[5:]}/features/toy/{IDENTITY.fingerprint}".encode()
    proxy = StallingProxy(object_store.port, folder + pattern, times=3, after=after)
    code = textwrap.dedent(WRITER).format(
        path=[str(project_root), *sys.path], address=f"{bucket}/features", cache=str(tmp_path / "killed")
    )
    environment = os.environ | object_store.environment(proxy.port)
    killed = subprocess.Popen([sys.executable, "-c", code], env=environment)
    other = Thread(target=append_all, args=(store, "other", 6))
    try:
        other.start()
        assert proxy.stalled.wait(120)
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        proxy.close()
        other.join()
    whole = [key for n in range(6) for key in chunk("other", n)] + chunk("killed", 0) + chunk("killed", 1)
    lost = chunk("killed", 2) + chunk("killed", 3)
    assert elsewhere.missing(IDENTITY, [*whole, *lost]) == lost
    assert elsewhere.read(IDENTITY, whole).tobytes() == vectors(whole).tobytes()
    elsewhere.append(IDENTITY, lost, vectors(lost))
    assert store.missing(IDENTITY, [*whole, *lost]) == []
    assert store.read(IDENTITY, lost).tobytes() == vectors(lost).tobytes()


def test_a_part_of_which_some_contents_go_is_published_anew(store, elsewhere, object_store, bucket):
    store.append(IDENTITY, ["a", "b", "c"], vectors(["a", "b", "c"]))
    store.append(IDENTITY, ["d"], vectors(["d"]))
    for part in store.shared.parts(IDENTITY.name, IDENTITY.fingerprint):
        shorten_shared_part(store.shared, part, {"a", "c"})
    assert elsewhere.missing(IDENTITY, ["a", "b", "c", "d"]) == ["b", "d"]
    np.testing.assert_array_equal(elsewhere.read(IDENTITY, ["c", "a"]), vectors(["c", "a"]))
    store.shared.shelf(IDENTITY.name, IDENTITY.fingerprint).tidy()
    assert elsewhere.missing(IDENTITY, ["a", "b", "c", "d"]) == ["b", "d"]
    (manifest,) = (object_store.folder / bucket[5:]).rglob("manifests/*.json")
    assert '"b"' not in manifest.read_text()


def test_a_file_address_is_a_local_store(tmp_path):
    FeatureStore(f"file://{tmp_path}").append(IDENTITY, ["a"], vectors(["a"]))
    assert FeatureStore(tmp_path).missing(IDENTITY, ["a"]) == []

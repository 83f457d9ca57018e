"""Manifests, media and shards in an S3 server that runs as a process."""

import io
import tarfile

import pytest

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ManifestError, Reason
from cu_pipeline.core.rows import rows_of
from cu_pipeline.ingest.admission import addresses, place
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.ingest.fetching import fetch_files
from cu_pipeline.ingest.options import FetchOptions
from cu_pipeline.media.options import Limits

FETCH = FetchOptions(backoff_s=0, attempts=1, threads=4)


@pytest.fixture
def bucket(s3, tmp_path, monkeypatch):
    """Give a bucket that is reached as the documentation says: by the variables that AWS names."""
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("clips")
    yield store
    store.rm("clips", recursive=True)
    s3fs.S3FileSystem.clear_instance_cache()


def read(manifest):
    counters.reset()
    return read_feeds([manifest], Limits()).frame()


def fetch(rows, earlier):
    counters.reset()
    for chunk in fetch_files(addresses(rows_of(rows)), earlier, FETCH, Limits()):
        earlier |= {record.address: record for record in chunk}
    kept, rejects = place(rows_of(rows), earlier)
    return (kept.frame(), rejects), counters.counts()


def test_a_manifest_and_its_media_are_fetched_once(bucket, tmp_path):
    bucket.pipe({"clips/feeds/a.csv": b"path,text\n../media/1.mp4,one\n/media/2.mp4,two\ngone.mp4,\n"})
    bucket.pipe({"clips/media/1.mp4": b"first", "clips/media/2.mp4": bytes(9 * 2**20)})
    rows = read("s3://clips/feeds/a.csv")
    assert rows["path"].tolist() == ["s3://clips/media/1.mp4", "s3://clips/media/2.mp4", "s3://clips/feeds/gone.mp4"]
    known = {}
    (placed, rejects), counts = fetch(rows, known)
    assert [(tmp_path / path).read_bytes() for path in placed["path"]] == [b"first", bytes(9 * 2**20)]
    assert rejects[["path", "reason"]].to_numpy().tolist() == [["s3://clips/feeds/gone.mp4", "missing"]]
    assert counts["media_fetched"] == 2
    bucket.pipe({"clips/media/1.mp4": b"changed", "clips/feeds/gone.mp4": b"there now"})
    (placed, rejects), counts = fetch(rows, known)
    assert (tmp_path / placed["path"][0]).read_bytes() == b"changed"
    assert rejects.empty
    assert (counts["media_fetched"], counts["media_fetch_cached"]) == (2, 1)


def test_without_credentials_media_are_unreachable_and_a_manifest_stops_the_run(bucket, monkeypatch, tmp_path):
    bucket.pipe({"clips/a.mp4": b"x", "clips/a.csv": b"text\nx\n"})
    bucket.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    [[found]] = fetch_files(["s3://clips/a.mp4"], {}, FETCH, Limits())
    assert (found.reason, "NoCredentialsError" in found.detail) == (Reason.UNREACHABLE, True)
    with pytest.raises(ManifestError, match=r"s3://clips/a\.csv.*NoCredentialsError"):
        read("s3://clips/a.csv")


def test_shards_in_a_bucket_are_unpacked_once(bucket, tmp_path):
    for number in range(3):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            member = tarfile.TarInfo("a.mp4")
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
        bucket.pipe({f"clips/shards/{number:03}.tar": data.getvalue()})
    rows = read("webdataset:s3://clips/shards/{000..001}.tar")
    assert rows["clip_id"].tolist() == ["000/a", "001/a"]
    assert counters.counts()["media_extracted"] == 2
    assert read("webdataset:s3://clips/shards")["clip_id"].tolist() == ["000/a", "001/a", "002/a"]
    assert counters.counts()["media_extracted"] == 1
    assert read("webdataset:s3://clips/shards/*.tar")["path"].nunique() == 1
    assert counters.counts()["media_extracted"] == 0

import json

import pytest

from cu_pipeline.core.errors import PlaceError
from cu_pipeline.core.place_cache import PlaceCache
from cu_pipeline.core.places import is_shared
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.core.shelf_manifests import MANIFESTS, Entry


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A shelf on a place without a server, which fsspec keeps in memory."""
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(MemoryFileSystem, "store", {})
    monkeypatch.setattr(MemoryFileSystem, "pseudo_dirs", [""])
    return Shelf("memory://shelf", PlaceCache(tmp_path / "cache"))


def publish(shelf: Shelf, tmp_path, *names: str) -> None:
    for name in names:
        path = tmp_path / name
        path.write_text(f"content of {name}")
        shelf.publish([(path, Entry.of(path, name))])


def other(shelf: Shelf, tmp_path) -> Shelf:
    return Shelf(shelf.address, PlaceCache(tmp_path / "other"))


def objects():
    from fsspec.implementations.memory import MemoryFileSystem

    return MemoryFileSystem.store


def manifests() -> list[str]:
    return [path for path in objects() if f"/{MANIFESTS}/" in path]


def test_writers_have_manifests_of_their_own_and_readers_take_the_union(shelf, tmp_path):
    second = other(shelf, tmp_path)
    publish(shelf, tmp_path, "a", "b")
    publish(second, tmp_path, "c")
    publish(shelf, tmp_path, "d")
    assert len(manifests()) == 2
    assert set(shelf.entries()) == set(second.entries()) == {"a", "b", "c", "d"}


def test_a_manifest_grows_to_a_bound_and_then_the_next_begins(shelf, tmp_path):
    names = [f"f{number}" for number in range(70)]
    publish(shelf, tmp_path, *names)
    assert len(manifests()) == 2
    assert sorted(other(shelf, tmp_path).entries()) == sorted(names)


@pytest.mark.parametrize("change", ["cut off the part", "remove the part", "cut off the manifest"])
def test_what_is_not_whole_does_not_count(shelf, tmp_path, change):
    publish(shelf, tmp_path, "a")
    publish(other(shelf, tmp_path), tmp_path, "b")
    (named,) = (path for path in manifests() if b'"b"' in objects()[path].getvalue())
    path = named if "manifest" in change else "/shelf/b"
    if change == "remove the part":
        del objects()[path]
    else:
        objects()[path].truncate(9)
    assert list(Shelf(shelf.address, PlaceCache(tmp_path / "third")).entries()) == ["a"]


def test_an_unnamed_file_does_not_count_until_it_is_published(shelf, tmp_path):
    publish(shelf, tmp_path, "a")
    from fsspec import filesystem

    filesystem("memory").pipe_file("/shelf/b", b"content of b")
    assert list(shelf.entries()) == ["a"]
    publish(other(shelf, tmp_path), tmp_path, "b")
    assert list(shelf.entries()) == ["a", "b"]


def test_tidying_leaves_few_manifests_without_what_went_and_harms_no_writer(shelf, tmp_path):
    for number in range(5):
        publish(other(shelf, tmp_path), tmp_path, f"f{number}")
    publish(shelf, tmp_path, "mine")
    shelf.remove(["f1"])
    other(shelf, tmp_path).tidy()
    (manifest,) = manifests()
    assert sorted(one["name"] for one in json.loads(objects()[manifest].getvalue())["entries"]) == [
        "f0", "f2", "f3", "f4", "mine",
    ]  # fmt: skip
    publish(shelf, tmp_path, "more")
    assert sorted(other(shelf, tmp_path).entries()) == ["f0", "f2", "f3", "f4", "mine", "more"]


def test_a_writer_in_another_process_begins_a_manifest_of_its_own(shelf, tmp_path, monkeypatch):
    publish(shelf, tmp_path, "a")
    monkeypatch.setattr("os.getpid", lambda: 1)
    publish(shelf, tmp_path, "b")
    assert len(manifests()) == 2
    assert set(shelf.entries()) == {"a", "b"}


def test_copies_that_do_not_fit_are_not_kept(tmp_path):
    cache = PlaceCache(tmp_path, most=100)
    assert cache.keep("aa", 26, lambda path: path.write_bytes(bytes(26))) is None
    for number in range(10):
        assert cache.keep(f"{number}b", 20, lambda path: path.write_bytes(bytes(20)))
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 100
    assert cache.find("9b")


def told(address: str) -> str:
    with pytest.raises(PlaceError) as error:
        Shelf(address, PlaceCache()).entries()
    return str(error.value)


def test_a_place_that_cannot_be_used_is_named_with_the_remedy(bucket, monkeypatch):
    from s3fs import S3FileSystem

    assert "s3://no-such-bucket/a cannot be used: there is no bucket 'no-such-bucket'. Make it" in told(
        "s3://no-such-bucket/a"
    )
    assert "nowhere://a/b cannot be used: Protocol not known: nowhere. Allowed" in told("nowhere://a/b")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    S3FileSystem.clear_instance_cache()
    assert "access is denied" in (text := told(f"{bucket}/a"))
    assert "Check AWS_ACCESS_KEY_ID" in text
    assert "cu-secret" not in text
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    S3FileSystem.clear_instance_cache()
    assert "there are no credentials. Set AWS_ACCESS_KEY_ID" in told(f"{bucket}/a")


def test_a_server_that_does_not_answer_is_named(bucket, monkeypatch):
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    S3FileSystem.clear_instance_cache()
    assert "http://127.0.0.1:9 does not answer (EndpointConnectionError). Check AWS_ENDPOINT_URL" in told(f"{bucket}/a")


def test_only_addresses_are_shared():
    assert is_shared("s3://bucket/a")
    assert not is_shared("C/data")

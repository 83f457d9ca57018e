"""What the service keeps of its requests."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from hashlib import sha256

import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.ingest import capture_store
from cu_pipeline.ingest.capture_store import CaptureOptions, CaptureStore


def clip(folder, content=b"a clip", name="clip.mp4"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name, sha256(content).hexdigest()


def files(store_folder):
    return sorted(path.name for path in (store_folder / "media").rglob("*") if path.is_file())


def test_what_is_kept_is_found_again(tmp_path):
    media, digest = clip(tmp_path / "request")
    store = CaptureStore(tmp_path / "store")
    assert list(store.entries()) == []
    assert store.keep("r1", media, digest, "看这个", {"clip_id": "c1", "creator": "我"})
    assert store.keep("r2", None, "", "no media", {})
    assert store.keep("r1", None, "", "again", {})
    first, second = store.entries()
    assert (first.request_id, first.caption, first.facts) == ("r1", "看这个", {"clip_id": "c1", "creator": "我"})
    assert first.media.read_bytes() == b"a clip"
    assert first.media.suffix == ".mp4"
    assert (second.media, second.bytes, second.caption) == (None, 0, "no media")


def test_media_that_came_twice_stay_until_nobody_refers_to_them(tmp_path):
    media, digest = clip(tmp_path / "request")
    store = CaptureStore(tmp_path / "store")
    for name in ("r1", "r2"):
        store.keep(name, media, digest, name, {})
    assert len(files(tmp_path / "store")) == 1
    assert store.forget("r1")
    assert len(files(tmp_path / "store")) == 1
    assert store.forget("r2")
    assert files(tmp_path / "store") == []
    assert not store.forget("r2")
    assert not CaptureStore(tmp_path / "nowhere").forget("r2")
    assert not (tmp_path / "nowhere").exists()


def test_the_oldest_go_where_there_is_too_much(tmp_path):
    store = CaptureStore(tmp_path / "store", CaptureOptions(max_bytes=25_600))
    for number in range(5):
        media, digest = clip(tmp_path / "request", b"%010000d" % number)
        assert store.keep(f"r{number}", media, digest, "", {})
    assert [one.request_id for one in store.entries()] == ["r3", "r4"]
    assert len(files(tmp_path / "store")) == 2
    assert store.keep("again", media, digest, "media that are there take nothing more", {})
    assert [one.request_id for one in store.entries()] == ["r3", "r4", "again"]
    media, digest = clip(tmp_path / "request", b"x" * 25_601)
    assert not store.keep("too large", media, digest, "", {})


def test_captions_count_too(tmp_path):
    store = CaptureStore(tmp_path / "store", CaptureOptions(max_bytes=10_000))
    for number in range(40):
        store.keep(f"r{number}", None, "", "看" * 1000, {})
    assert [one.request_id for one in store.entries()] == ["r37", "r38", "r39"]
    assert sum(path.stat().st_size for path in (tmp_path / "store").rglob("*")) < 100_000


def test_what_is_too_old_goes(tmp_path):
    store = CaptureStore(tmp_path / "store", CaptureOptions(max_days=7))
    store.keep("old", None, "", "old", {})
    with sqlite3.connect(tmp_path / "store/captures.db") as index:
        index.execute("UPDATE captures SET time = '2020-01-01T00:00:00.000000+00:00'")
    index.close()
    store.keep("new", None, "", "new", {})
    assert [one.request_id for one in store.entries()] == ["new"]


def test_a_sample_of_the_requests_is_kept_by_their_ids(tmp_path):
    store = CaptureStore(tmp_path / "store", CaptureOptions(share=0.3))
    kept = [name for name in map(str, range(200)) if store.keep(name, None, "", "text", {})]
    assert 40 < len(kept) < 80
    assert sorted(one.request_id for one in store.entries()) == sorted(kept)


FILLING = """
import sys
from hashlib import sha256
from pathlib import Path
from cu_pipeline.ingest.capture_store import CaptureOptions, CaptureStore
folder, worker = Path(sys.argv[1]), sys.argv[2]
store = CaptureStore(folder / "store", CaptureOptions(max_bytes=int(sys.argv[3])))
for number in range(int(sys.argv[4])):
    content = b"%020d" % (number % 30 if worker else number)
    (folder / f"clip{worker}.mp4").write_bytes(content)
    assert store.keep(f"{worker}/{number}", folder / f"clip{worker}.mp4", sha256(content).hexdigest(), "", {})
    print(number, flush=True)
"""


def filling(folder, worker, most, number, **options):
    command = [sys.executable, "-c", FILLING, str(folder), worker, str(most), str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def test_several_processes_keep_and_let_go_at_a_time(tmp_path):
    processes = [filling(tmp_path, str(one), 1500, 25) for one in (1, 2, 3)]
    assert [len(one.communicate(timeout=60)[0].split()) for one in processes] == [25] * 3
    entries = list(CaptureStore(tmp_path / "store").entries())
    assert all(one.media.is_file() for one in entries)
    assert files(tmp_path / "store") == sorted({one.media.name for one in entries})


def test_what_was_kept_outlives_a_killed_process(tmp_path):
    process = filling(tmp_path, "", 2**31, 100_000)
    with process:
        said = [process.stdout.readline().strip() for _ in range(20)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.read().split()
    entries = {one.request_id: one for one in CaptureStore(tmp_path / "store").entries()}
    assert {f"/{number}" for number in said if number} <= entries.keys()
    assert all(one.media.is_file() for one in entries.values())


DYING = """
import os, sys
from pathlib import Path
from cu_pipeline.ingest.capture_store import CaptureStore
Path.unlink = lambda *_, **__: os.kill(os.getpid(), 9)
CaptureStore(Path(sys.argv[1])).forget("r1")
"""


def test_a_process_that_is_killed_while_it_deletes_leaves_no_request_without_its_file(tmp_path):
    media, digest = clip(tmp_path / "request")
    store = CaptureStore(tmp_path / "store")
    store.keep("r1", media, digest, "", {})
    killed = subprocess.run([sys.executable, "-c", DYING, str(tmp_path / "store")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(store.entries()) == []
    assert store.keep("r2", media, digest, "", {})
    assert [one.media.read_bytes() for one in store.entries()] == [b"a clip"]


def test_media_that_go_while_they_come_again_are_there(tmp_path, monkeypatch):
    media, digest = clip(tmp_path / "request")
    store = CaptureStore(tmp_path / "store")
    store.keep("r1", media, digest, "", {})

    def writing_after_others(folder):
        monkeypatch.undo()
        CaptureStore(folder).forget("r1")
        return capture_store.writing(folder)

    monkeypatch.setattr(capture_store, "writing", writing_after_others)
    assert store.keep("r2", media, digest, "", {})
    assert [(one.request_id, one.media.is_file()) for one in store.entries()] == [("r2", True)]


def test_what_is_forgotten_is_no_more_on_the_disk(tmp_path):
    store = CaptureStore(tmp_path / "store")
    store.keep("r1", None, "", "a secret caption", {"creator": "a secret creator"})
    store.keep("r2", None, "", "another", {})
    with closing(sqlite3.connect(tmp_path / "store/captures.db")) as other:  # so that the log is not emptied at the end
        other.execute("SELECT count(*) FROM captures").fetchone()
        store.forget("r1")
        assert not [path for path in (tmp_path / "store").iterdir() if b"secret" in path.read_bytes()]


def test_text_that_utf8_cannot_hold_is_kept_as_far_as_it_can_be(tmp_path):
    store = CaptureStore(tmp_path / "store")
    assert store.keep("r1", None, "", "half \ud800", {"creator": "\udfff", "clip_id": "a\ud800"})
    (one,) = store.entries()
    assert (one.caption, one.facts["creator"], one.clip_id) == ("half ?", "?", "a?")


def test_an_index_that_a_killed_process_only_began_holds_nothing(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/captures.db").touch()
    store = CaptureStore(tmp_path / "store")
    assert list(store.entries()) == []
    assert not store.forget("r1")
    assert store.keep("r1", None, "", "text", {})


def test_a_file_that_nothing_refers_to_goes_after_a_while(tmp_path):
    store = CaptureStore(tmp_path / "store")
    store.keep("r1", None, "", "text", {})
    left, young = (tmp_path / "store/media/ab" / name for name in ("left.mp4", "young.mp4"))
    left.parent.mkdir(parents=True)
    for path in (left, young):
        path.write_bytes(b"x")
    os.utime(left, (time.time() - 7200, time.time() - 7200))
    CaptureStore(tmp_path / "store").keep("r2", None, "", "text", {})
    assert files(tmp_path / "store") == ["young.mp4"]


def test_problems_are_told_in_words(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be written"):
        CaptureStore(tmp_path / "file").keep("r1", None, "", "text", {})
    (tmp_path / "store").mkdir()
    (tmp_path / "store/captures.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be read"):
        list(CaptureStore(tmp_path / "store").entries())
    with sqlite3.connect(tmp_path / "newer.db") as index:
        index.execute("PRAGMA user_version = 99")
    index.close()
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer.db").rename(tmp_path / "newer/captures.db")
    with pytest.raises(StoreError, match="format 99"):
        list(CaptureStore(tmp_path / "newer").entries())

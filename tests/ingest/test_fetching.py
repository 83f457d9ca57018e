import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from cu_pipeline.core import counters
from cu_pipeline.core.errors import ManifestError, Reason
from cu_pipeline.ingest.fetching import PATIENCE, Fetched, FetchLog, fetch_files
from cu_pipeline.ingest.media_store import keep
from cu_pipeline.ingest.options import FetchOptions
from cu_pipeline.media.options import Limits

LIMITS = Limits(max_bytes=100_000, timeout_s=20.0)
BRIEF = LIMITS.model_copy(update={"timeout_s": 0.5})


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fetch(*addresses, limits=LIMITS, **options):
    """Fetch as a run does, and give what is known afterwards and what was counted."""
    log = FetchLog(root_log())
    counters.reset()
    for chunk in fetch_files(addresses, log.read(), FetchOptions(**{"backoff_s": 0} | options), limits):
        log.append(chunk)
    known = log.read()
    return [known[address] for address in addresses], counters.counts()


def root_log():
    from cu_pipeline.core.paths import from_stored

    return from_stored("data/01_raw/fetched.jsonl")


def copies(root):
    return sorted(path for path in (root / "data/01_raw/media").rglob("*") if path.is_file())


def test_a_file_is_fetched_once_while_it_stays_the_same(root, web):
    (web.folder / "a.MP4").write_bytes(b"first")
    address = f"{web.address}/tagged/a.MP4?key=1"
    [first], counts = fetch(address)
    assert (root / first.path).read_bytes() == b"first"
    assert first.path.endswith(".mp4")
    assert counts == {"media_fetch_cached": 0, "media_fetch_failed": 0, "media_fetched": 1}
    [again], counts = fetch(address)
    assert again == first
    assert (counts["media_fetched"], counts["media_fetch_cached"]) == (0, 1)
    (web.folder / "a.MP4").write_bytes(b"second")
    assert fetch(address, recheck=False)[0] == [first]
    [changed], counts = fetch(address)
    assert (root / changed.path).read_bytes() == b"second"
    assert counts["media_fetched"] == 1
    (root / changed.path).unlink()
    assert fetch(address)[1]["media_fetched"] == 1


def test_a_file_of_which_the_server_tells_nothing_is_not_asked_for_again(web):
    (web.folder / "a.mp4").write_bytes(b"x")
    fetch(f"{web.address}/silent/a.mp4")
    assert fetch(f"{web.address}/silent/a.mp4")[1]["media_fetch_cached"] == 1
    assert web.requests == ["/silent/a.mp4"]


def test_equal_content_is_kept_once(root, web):
    for name in ("a.mp4", "b.mp4"):
        (web.folder / name).write_bytes(b"same")
    fetch(*(f"{web.address}/tagged/{name}" for name in ("a.mp4", "b.mp4")))
    assert len(copies(root)) == 1


def test_redirects_are_followed(root, web):
    (web.folder / "a.mp4").write_bytes(b"x")
    [found], _ = fetch(f"{web.address}/moved/a.mp4")
    assert (root / found.path).read_bytes() == b"x"


def test_a_server_that_fails_is_asked_again(web):
    (web.folder / "a.mp4").write_bytes(b"x")
    assert fetch(f"{web.address}/flaky/a.mp4", attempts=3)[0][0].reason is None
    assert web.requests == ["/flaky/a.mp4"] * 3


@pytest.mark.parametrize(
    ("path", "reason", "detail", "requests"),
    [
        ("/tagged/absent.mp4", Reason.MISSING, "404", 1),
        ("/gone", Reason.MISSING, "410", 1),
        ("/forbidden", Reason.UNREACHABLE, "403", 1),
        ("/broken", Reason.UNREACHABLE, "500", 2),
        ("/cut/a.mp4", Reason.UNREACHABLE, "RemoteProtocolError", 2),
        ("/drip/a.mp4", Reason.TIMEOUT, "0.5 s", 1),
        ("/endless/a.mp4", Reason.TOO_LARGE, "more than 100000", 1),
        ("/tagged/large.mp4", Reason.TOO_LARGE, "100001 bytes, more than 100000", 1),
    ],
)
def test_what_cannot_be_fetched_has_a_reason_and_leaves_nothing(root, web, path, reason, detail, requests):
    (web.folder / "a.mp4").write_bytes(b"x")
    (web.folder / "large.mp4").write_bytes(bytes(100_001))
    [found], counts = fetch(web.address + path, attempts=2, limits=BRIEF if reason is Reason.TIMEOUT else LIMITS)
    assert (found.reason, found.path) == (reason, "")
    assert detail in found.detail
    assert copies(root) == []
    assert len(web.requests) == requests
    assert counts["media_fetch_failed"] == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/a.mp4", "http://[bad/a.mp4", "odd://x/a.mp4", "http:///a"])
def test_an_address_that_leads_nowhere_is_unreachable(address):
    assert fetch(address)[0][0].reason is Reason.UNREACHABLE


def test_an_earlier_copy_outlives_a_server_that_fails_but_not_a_file_that_was_deleted(web, caplog):
    (web.folder / "a.mp4").write_bytes(b"x")
    address = f"{web.address}/flaky/a.mp4"
    [first], _ = fetch(address)
    (web.folder / "requests.txt").write_text("")
    with caplog.at_level(logging.WARNING):
        assert fetch(address, attempts=1)[0] == [first]
    assert "copy of an earlier run" in caplog.text
    (web.folder / "a.mp4").unlink()
    assert fetch(address)[0][0].reason is Reason.MISSING


def test_an_earlier_copy_outlives_a_time_out(root, web, caplog):
    (web.folder / "a.mp4").write_bytes(b"x")
    address = f"{web.address}/drip/a.mp4"
    earlier = Fetched(address, keep([b"earlier"], ".mp4", 100), version="{}")
    FetchLog(root_log()).append([earlier])
    with caplog.at_level(logging.WARNING):
        [found], counts = fetch(address, limits=BRIEF)
    assert found == earlier
    assert (root / found.path).read_bytes() == b"earlier"
    assert "timeout: not fetched after 0.5 s. The copy of an earlier run is used" in caplog.text
    assert (counts["media_fetch_failed"], counts["media_fetch_cached"]) == (0, 1)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(root, web, status):
    (web.folder / f"{status}.mp4").write_bytes(b"film")
    [found], _ = fetch(f"{web.address}/busy/{status}.mp4", attempts=2)
    assert (root / found.path).read_bytes() == b"film"
    assert len(web.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_server_that_refuses_for_good_is_not_asked_again(web, status):
    (web.folder / f"{status}.mp4").write_bytes(b"film")
    [found], _ = fetch(f"{web.address}/busy/{status}.mp4", attempts=2)
    assert str(status) in found.detail
    assert len(web.requests) == 1


def test_a_host_that_answers_between_failures_is_not_given_up(web):
    some = [f"{web.address}/broken/{number}.mp4" for number in range(2 * PATIENCE - 1)]
    half = PATIENCE - 1
    found, _ = fetch(*some[:half], f"{web.address}/tagged/absent.mp4", *some[half : 2 * half], threads=1, attempts=1)
    assert not [record for record in found if "not tried" in record.detail]
    assert len(web.requests) == 2 * half + 1


@pytest.mark.parametrize("way", ["tagged", "silent"])
def test_a_file_of_the_largest_size_is_fetched_and_a_larger_one_is_not(web, way):
    (web.folder / "most.mp4").write_bytes(bytes(LIMITS.max_bytes))
    (web.folder / "more.mp4").write_bytes(bytes(LIMITS.max_bytes + 1))
    found, _ = fetch(*(f"{web.address}/{way}/{name}.mp4" for name in ("most", "more")))
    assert [record.reason for record in found] == [None, Reason.TOO_LARGE]


def test_a_copys_bytes_are_on_the_disk_before_it_has_its_name(root, monkeypatch):
    synced = []

    def note(descriptor):
        status = os.fstat(descriptor)
        synced.append(
            (status.st_ino, status.st_size, [path for path in copies(root) if path.parent.name != ".partial"])
        )

    monkeypatch.setattr(os, "fsync", note)
    path = root / keep([b"some ", b"bytes"], ".mp4", 100)
    assert (path.stat().st_ino, 10, []) in synced


def test_a_dead_host_is_given_up():
    addresses = [f"http://127.0.0.1:1/{number}.mp4" for number in range(PATIENCE + 5)]
    found, _ = fetch(*addresses, threads=1, attempts=1)
    assert [record.reason for record in found] == [Reason.UNREACHABLE] * len(addresses)
    assert ["not tried" in record.detail for record in found] == [False] * PATIENCE + [True] * 5


def test_a_missing_package_stops_the_run_and_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(ManifestError, match=r"pip install 'cu-pipeline\[s3\]'"):
        fetch("s3://bucket/a.mp4")


FETCH = """
import sys
from pathlib import Path
from cu_pipeline.ingest.fetching import FetchLog
from cu_pipeline.media.options import Limits
from cu_pipeline.ingest.fetching import fetch_files
from cu_pipeline.ingest.options import FetchOptions
log = FetchLog(Path("data/01_raw/fetched.jsonl"))
for chunk in fetch_files(sys.argv[1:], log.read(), FetchOptions(threads=2), Limits()):
    log.append(chunk)
"""


def test_after_kill_9_only_what_is_missing_is_fetched(root, web):
    addresses = [f"{web.address}/slow/{number}.mp4" for number in range(30)]
    for number in range(30):
        (web.folder / f"{number}.mp4").write_bytes(bytes([number]) * 50_000)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", FETCH, *addresses], cwd=root, env=environment)
    while len(FetchLog(root_log()).read()) < 5:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    partial = root / "data/01_raw/media/.partial" / f"{process.pid}-left"
    partial.write_bytes(b"what a killed run leaves")
    before = len(FetchLog(root_log()).read())
    assert 5 <= before < 30
    found, counts = fetch(*addresses, limits=Limits())
    assert [(root / record.path).read_bytes() for record in found] == [bytes([n]) * 50_000 for n in range(30)]
    assert counts["media_fetched"] == 30 - before
    assert len(copies(root)) == 30

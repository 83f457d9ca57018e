"""What the service keeps of its requests to be labelled."""

import asyncio
import json
import threading

from anyio import to_thread

from cu_pipeline.inference.prediction_log.records import REPLAY_HEADER
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.service import captures
from cu_pipeline.service.api.clips import ClipFields


def ask(service, **options):
    from starlette.testclient import TestClient

    with TestClient(service.app, base_url="http://localhost", client=("127.0.0.1", 1)) as client:
        return client.request(**options)


def test_a_request_is_kept_and_forgotten_again(new_service, tmp_path):
    service = new_service(capture=str(tmp_path / "kept"))
    told = {"caption": "看", "creator": "Ann", "clip_id": "c1"}
    parts = {"video": ("clip.mp4", b"a clip")} | {name: (None, value) for name, value in told.items()}
    assert ask(service, method="POST", url="/classify", files=parts, headers={"X-Request-Id": "r1"}).status_code == 200
    (kept,) = CaptureStore(tmp_path / "kept").entries()
    assert (kept.request_id, kept.caption, kept.facts) == ("r1", "看", {"clip_id": "c1", "creator": "Ann"})
    assert kept.media.read_bytes() == b"a clip"
    assert ask(service, method="DELETE", url="/captures/r1").status_code == 204
    assert ask(service, method="DELETE", url="/captures/r1").status_code == 404
    assert list(CaptureStore(tmp_path / "kept").entries()) == []


def test_refused_requests_and_the_products_own_are_not_kept(new_service, tmp_path):
    service = new_service(capture=str(tmp_path / "kept"))
    own = {"method": "POST", "url": "/classify", "json": {"caption": "own"}, "headers": {REPLAY_HEADER: "1"}}
    assert ask(service, **own).status_code == 200
    assert ask(service, method="POST", url="/classify", files={"video": ("a.mp4", b"broken")}).status_code == 422
    assert ask(service, method="POST", url="/classify_batch", json={"clips": [{"caption": "a"}, {}]}).status_code == 200
    assert [one.caption for one in CaptureStore(tmp_path / "kept").entries()] == ["a"]


def test_a_store_that_cannot_be_written_fails_no_request(new_service, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    service = new_service(capture=str(tmp_path / "file"))
    for _ in range(3):
        assert ask(service, method="POST", url="/classify", json={"caption": "a"}).status_code == 200
    assert sum("not captured" in record.message for record in caplog.records) == 1


def test_metadata_are_kept(new_service, tmp_path):
    service = new_service(capture=str(tmp_path / "kept"))
    told = {"caption": "a", "metadata": {"region": "CN"}}
    assert ask(service, method="POST", url="/classify", json=told).status_code == 200
    (kept,) = CaptureStore(tmp_path / "kept").entries()
    assert json.loads(kept.facts["metadata"]) == {"region": "CN"}


def test_what_cannot_be_kept_is_counted(new_service, tmp_path):
    (tmp_path / "kept").write_text("no folder")
    service = new_service(capture=str(tmp_path / "kept"))
    for _ in range(2):
        assert ask(service, method="POST", url="/classify", json={"caption": "a"}).status_code == 200
    assert b"cu_pipeline_captures_lost_total 2.0" in ask(service, method="GET", url="/metrics").content


class SlowStore(CaptureStore):
    def __init__(self, folder):
        super().__init__(folder)
        self.quick = threading.Event()

    def keep(self, *told):
        self.quick.wait(timeout=30)
        return super().keep(*told)


def test_a_slow_folder_takes_no_thread_from_those_that_answer(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(captures, "MOST_AT_ONCE", 4)
    store, lost = SlowStore(tmp_path / "kept"), []

    async def ask_six_times():
        kept = captures.Captures(store, lambda: lost.append(1))
        asked = [asyncio.ensure_future(kept.keep(f"r{one}", "", ClipFields(caption="a"), None)) for one in range(6)]
        await asyncio.sleep(0.05)
        assert to_thread.current_default_thread_limiter().borrowed_tokens == 0
        store.quick.set()
        await asyncio.gather(*asked)

    asyncio.run(ask_six_times())
    assert [one.request_id for one in store.entries()] == ["r0", "r1", "r2", "r3"]
    assert "the folder is too slow" in caplog.text
    assert "requests are captured again; 2 were not" in caplog.text
    assert len(lost) == 2


def test_nothing_is_kept_where_nobody_asked_for_it(new_service, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for settings in ({}, {"capture": "off"}):
        assert ask(new_service(**settings), method="POST", url="/classify", json={"caption": "a"}).status_code == 200
    assert not (tmp_path / "data").exists()

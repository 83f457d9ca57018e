import hashlib
from pathlib import Path

import pytest

from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.ingest.capture_store import Captured, CaptureStore
from cu_pipeline.ingest.feeds import read_feeds
from cu_pipeline.ingest.served_clips import CLIPS, ServedClips
from cu_pipeline.media.options import Limits


@pytest.fixture
def captured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Captured]:
    """Two requests that the service kept, the second a text."""
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    store, film = CaptureStore(tmp_path / "capture"), tmp_path / "upload.mp4"
    film.write_bytes(b"a film")
    sha = hashlib.sha256(b"a film").hexdigest()
    store.keep(
        "r1", film, sha, "my cat", {"clip_id": "c1", "creator": "ann", "metadata": '{"shop": "x", "label": "y"}'}
    )
    store.keep("r2", None, "", "a text", {"clip_id": "c2"})
    return list(store.entries())


def read(folder: Path) -> list[dict[str, str]]:
    return read_feeds([f"served:{folder}"], Limits()).frame().to_dict("records")


def test_what_was_chosen_is_a_feed_that_stays_when_the_service_lets_it_go(
    captured: list[Captured], tmp_path: Path
) -> None:
    folder = tmp_path / "data/01_raw/served"
    ServedClips(folder).keep((one, one.clip_id) for one in captured)
    for one in captured:
        assert CaptureStore(tmp_path / "capture").forget(one.request_id)
    first, second = read(folder)
    assert (first["clip_id"], first["creator"], first["text"], first["shop"]) == ("c1", "ann", "my cat", "x")
    assert "label" not in first, "a client is no annotator"
    assert first["path"].startswith("data/01_raw/served/media/")
    assert (tmp_path / first["path"]).read_bytes() == b"a film"
    assert (second["clip_id"], second["path"], second["text"]) == ("c2", "", "a text")
    assert first["_source"] == f"served:{folder}"


def test_a_content_is_kept_once_and_a_torn_line_does_not_count(captured: list[Captured], tmp_path: Path) -> None:
    served = ServedClips(tmp_path / "served")
    served.keep([(captured[0], "c1")])
    with (tmp_path / "served" / CLIPS).open("a") as stream:
        stream.write('{"content": "to')
    served.keep([(captured[0], "c1"), (captured[1], "other")])
    assert [one["clip_id"] for one in read(tmp_path / "served")] == ["c1", "other"]


def test_a_file_that_went_meanwhile_is_told(captured: list[Captured], tmp_path: Path) -> None:
    captured[0].media.unlink()
    with pytest.raises(ManifestError, match="run `kedro iterate` again"):
        ServedClips(tmp_path / "served").keep([(captured[0], "c1")])
    assert not ServedClips(tmp_path / "served").names()


def test_a_folder_without_clips_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="`kedro iterate` chooses clips for it"):
        read(tmp_path)

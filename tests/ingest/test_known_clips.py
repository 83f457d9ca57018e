import pandas as pd
import pytest

from cu_pipeline.core.hashing import file_sha256
from cu_pipeline.core.rows import Rows, rows_of
from cu_pipeline.ingest.known_clips import known_rows

STORED = [
    {"clip_id": "1", "path": "media/1.mp4", "text": "a long caption of the first"},
    {"clip_id": "2", "path": "s3://old/media/2.mp4", "text": ""},
    {"clip_id": "3", "path": "", "text": "only words"},
]


def table(*rows: dict[str, str]) -> Rows:
    return rows_of(pd.DataFrame(rows, columns=["clip_id", "path", "text"]).fillna(""))


def clips(**values: object) -> Rows:
    row = {"clip_id": "", "path": "", "raw_text": "", "media_sha256": "", "bytes": 0} | values
    return rows_of(pd.DataFrame([row]))


@pytest.mark.parametrize(
    "row",
    [
        {"path": "media/1.mp4"},
        {"clip_id": "other", "path": "media/1.mp4", "text": "another caption"},
        {"path": "s3://old/media/2.mp4"},
        {"text": "only words"},
        {"text": " only words "},
        {"clip_id": "1", "path": "elsewhere/x.mp4", "text": "a long caption of the first"},
        {"clip_id": "2", "path": "https://new/clips/2.mp4?key=7"},
        {"path": "moved/1.mp4", "text": "a long caption of the first"},
    ],
)
def test_a_row_is_known_by_its_place_or_by_two_of_its_names(row: dict[str, str]) -> None:
    assert known_rows(table(row, {"text": "quite another"}), table(*STORED), clips()) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"clip_id": "3", "text": "an id alone says nothing"},
        {"clip_id": "1", "path": "foreign/1.mp4"},
        {"path": "foreign/9.mp4", "text": "a long caption of the first"},
        {"text": "a long caption of the first"},
        {"path": "foreign/9.mp4", "text": "only words"},
        {"clip_id": "", "path": "", "text": ""},
    ],
)
def test_an_id_a_file_name_or_the_caption_of_a_video_alone_say_nothing(row: dict[str, str]) -> None:
    assert known_rows(table(row), table(*STORED), clips()) == 0


def test_stored_clips_are_known_where_the_manifest_was_lost() -> None:
    stored = clips(clip_id="7", path="media/7.mp4", raw_text="seven")
    assert known_rows(table({"path": "media/7.mp4"}, {"path": "media/8.mp4"}), table(), stored) == 1


def test_media_that_were_moved_are_known_by_their_content_and_only_files_of_that_size_are_read(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    for name, content in {"moved.mp4": b"film", "same_size.mp4": b"f1lm", "larger.mp4": b"films"}.items():
        (tmp_path / name).write_bytes(content)
    stored = clips(path="old/a.mp4", media_sha256=file_sha256(tmp_path / "moved.mp4"), bytes=4)
    assert known_rows(table({"path": "moved.mp4"}, {"path": "absent.mp4"}), table(), stored) == 1
    assert known_rows(table({"path": "same_size.mp4"}, {"path": "\0"}), table(), stored) == 0
    monkeypatch.setattr("cu_pipeline.ingest.known_clips.file_sha256", lambda path: pytest.fail(f"{path} was read"))
    assert known_rows(table({"path": "larger.mp4"}), table(), stored) == 0

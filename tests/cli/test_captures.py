"""`kedro captures`."""

from click.testing import CliRunner

from cu_pipeline.cli.captures import captures
from cu_pipeline.ingest.capture_store import CaptureStore


def run(*words, **variables):
    return CliRunner().invoke(captures, words, env={"CU_PIPELINE_CAPTURE": None} | variables)


def test_what_is_kept_is_listed_and_deleted(tmp_path):
    media = tmp_path / "clip.mp4"
    media.write_bytes(b"x" * 2_000_000)
    store = CaptureStore(tmp_path / "kept")
    store.keep("r1", media, "ab" * 32, "猫 \x1b[2J\nand so on" + "." * 100, {})
    store.keep("r2", media, "ab" * 32, "two", {})
    shown = run("list", "--folder", store.folder).output
    assert "猫 [2J and so on..." in shown
    assert "\x1b" not in shown
    assert shown.endswith("requests kept: 2; media: 2.0 MB\n")
    assert "r1" not in run("list", "--last", "1", CU_PIPELINE_CAPTURE=str(store.folder)).output
    assert run("forget", "r1", "r3", "--folder", store.folder).output == "deleted: 1; nothing was kept of: 1\n"
    assert [one.request_id for one in store.entries()] == ["r2"]


def test_the_projects_own_folder_is_looked_at_where_capture_is_off(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    CaptureStore(tmp_path / "data/01_raw/capture").keep("r1", None, "", "text", {})
    assert "r1" in run("list", CU_PIPELINE_CAPTURE="off").output
    assert "r1" in run("list").output


def test_a_folder_that_is_not_there_is_told(tmp_path):
    shown = run("list", "--folder", tmp_path / "nowhere")
    assert shown.exit_code == 1
    assert "nowhere is no folder" in shown.output

"""MLflow's server and database out of order: told soon and in words."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cu_pipeline.core.errors import NoSpaceError, TrackingError
from cu_pipeline.tracking import mlflow_run, mlflow_server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *(f"MLFLOW_HTTP_REQUEST_{end}" for end in ("MAX_RETRIES", "TIMEOUT", "BACKOFF_FACTOR")),
        "PGCONNECT_TIMEOUT",
    ):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)  # and what the code sets is taken back
    mlflow_server.check.cache_clear()


@contextmanager
def answering(status: int, body: bytes, kind: str = "application/json", wait_s: float = 0) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(wait_s)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told(uri: str) -> str:
    with pytest.raises(TrackingError) as error:
        mlflow_server.check(uri)
    text = str(error.value)
    assert f"MLflow cannot use {uri}" in text
    assert "Remedy: " in text
    assert len(text.splitlines()) <= 4
    return text


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "http://no-such-host.invalid:5000"])
def test_a_server_that_is_down_is_named_within_seconds(uri: str) -> None:
    started = time.monotonic()
    text = told(uri)
    assert "MLFLOW_TRACKING_URI" in text
    assert time.monotonic() - started < 15


def test_a_server_that_never_answers_is_given_up_in_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, longest_pause = mlflow_server._FIRST_RETRIES + 1, 2 + 2  # urllib3: none before the first retry, then 2 s
    assert tries * mlflow_server._FIRST_TIMEOUT_S + longest_pause <= 30
    monkeypatch.setattr(mlflow_server, "_FIRST_TIMEOUT_S", 0.1)
    monkeypatch.setattr(mlflow_server, "_FIRST_RETRIES", 0)
    with answering(200, b"{}", wait_s=1) as uri:
        assert "start the server" in told(uri)


@pytest.mark.parametrize(
    ("status", "kind", "body", "words"),
    [
        (500, "text/html", b"<h1>oops</h1>", "error code 500"),
        (502, "text/html", b"Bad gateway", "start the server"),
        (401, "text/plain", b"You are not authenticated", "MLFLOW_TRACKING_USERNAME"),
        (403, "application/json", b"{}", "ask for the right"),
        (404, "text/html", b"not here", "correct the address"),
        (200, "text/html", b"<html>another program</html>", "something else than MLflow"),
    ],
)
def test_a_server_that_answers_otherwise_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: str, body: bytes, words: str
) -> None:
    monkeypatch.setattr(mlflow_server, "_FIRST_RETRIES", 0)
    with answering(status, body, kind) as uri:
        assert words in told(uri)


@pytest.mark.parametrize(("status", "body"), [(200, b"{}"), (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}')])
def test_a_server_in_order_is_used_and_later_given_up_within_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    with answering(status, body) as uri:
        mlflow_server.check(uri)
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"  # the user's
    retries = int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
    factor = int(os.environ["MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"])
    assert sum(factor * 2**number + 1 for number in range(1, retries)) + 1 < 15  # MLflow's pauses with their jitter


def test_a_database_server_that_is_down_is_told_without_its_password() -> None:
    with pytest.raises(TrackingError) as error:
        mlflow_server.check("postgresql+psycopg://me:secret@127.0.0.1:9/mlflow")
    assert "secret" not in str(error.value)
    assert "me:***@127.0.0.1:9" in str(error.value)
    assert "MLFLOW_TRACKING_URI" in str(error.value)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "mlruns" / "mlflow.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as made:
        made.execute("create table a (b)")
        made.commit()
    return path


def test_a_database_in_order_or_not_made_yet_is_used(database: Path, tmp_path: Path) -> None:
    mlflow_server.check(f"sqlite:///{database}")
    mlflow_server.check(f"sqlite:///{tmp_path}/new/mlflow.db")


def test_a_database_that_another_program_holds_is_waited_for_and_then_told(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mlflow_server._LOCK_TIMEOUT_S <= 30
    monkeypatch.setattr(mlflow_server, "_LOCK_TIMEOUT_S", 0.2)
    with closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        assert "another program holds it" in told(f"sqlite:///{database}")
        holder.execute("ROLLBACK")
    mlflow_server.check(f"sqlite:///{database}")


def test_a_database_that_is_none_is_told(database: Path) -> None:
    database.write_bytes(b"garbage" * 1000)
    assert "move it away" in told(f"sqlite:///{database}")


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("")
    told(f"sqlite:///{tmp_path}/mlruns/mlflow.db")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("(sqlite3.OperationalError) attempt to write a readonly database", "make the file and its folder writable"),
        ("Detected out-of-date database schema (found version 0000000000ab, but expected 1)", "newer version"),
        ("Detected out-of-date database schema (found version 451aebb31d03, but expected 1)", "mlflow db upgrade"),
        ("API request to http://x failed with exception Connection refused", "start the server"),
    ],
)
def test_what_mlflow_says_later_in_a_run_is_told_too(said: str, words: str) -> None:
    from mlflow.exceptions import MlflowException

    explained = mlflow_server.explain(MlflowException(said), "sqlite:///a/mlflow.db")
    assert isinstance(explained, TrackingError)
    assert words in str(explained)


def test_errors_of_others_are_not_taken_for_mlflows() -> None:
    assert mlflow_server.explain(ValueError("database is locked"), "sqlite:///a") is None


def test_a_server_that_goes_away_in_a_run_is_waited_for_once() -> None:
    from mlflow.exceptions import MlflowException

    gone = MlflowException("API request to http://x failed with exception Connection refused")
    with pytest.raises(TrackingError), mlflow_server.failures_told("http://x"):
        raise gone
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


def test_a_full_disk_keeps_its_own_error() -> None:
    from mlflow.exceptions import MlflowException

    full = MlflowException("(sqlite3.OperationalError) database or disk is full")
    assert isinstance(mlflow_server.explain(full, "sqlite:///a"), NoSpaceError)


@pytest.mark.slow
def test_a_deleted_experiment_is_restored_with_its_runs(tracked_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlflow

    first = mlflow_run.start(tracked_root, "first", {})
    mlflow_run.finish("FINISHED")
    experiment = mlflow.get_experiment_by_name(mlflow_run.EXPERIMENT)
    mlflow.delete_experiment(experiment.experiment_id)
    with caplog.at_level(logging.WARNING):
        second = mlflow_run.start(tracked_root, "second", {})
        mlflow_run.finish("FINISHED")
    assert "was deleted: restored" in caplog.text
    runs = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert {run.info.run_id for run in runs} == {first, second}

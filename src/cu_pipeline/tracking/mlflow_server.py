"""Whether MLflow's server or database can be used: asked once before MLflow is, which would wait for minutes."""

import os
import re
import sqlite3
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import CuPipelineError, NoSpaceError, TrackingError

_RETRIES: Final = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_TIMEOUT: Final = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_PATIENCE: Final = {_RETRIES: 3, _TIMEOUT: 30, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": 1}
"""MLflow's settings during a run, unless the user has set them: 10 seconds for a server that has gone away."""

_FIRST_RETRIES: Final = 2
_FIRST_TIMEOUT_S: Final = 7
_LOCK_TIMEOUT_S: Final = 15
_QUESTION: Final = "/api/2.0/mlflow/experiments/get-by-name"
_ELSEWHERE: Final = "or set MLFLOW_TRACKING_URI to another (unset: the project's own mlruns/)"
_UPGRADE: Final = "copy the database, then run `mlflow db upgrade {uri}`"
_NEWER: Final = "a newer version of MLflow wrote it: install that version, or move the database away"
_REMEDIES: Final = {
    "database is locked": "another program holds it, such as `make ui` or a copy under way: end that, run again",
    "readonly database": "make the file and its folder writable",
    "unable to open database file": "make its folder writable",
    "not a database": "it is damaged or something else: move it away (a new one is made), or restore a copy",
    "malformed": "it is damaged: move it away (a new one is made), or restore a copy",
    "out-of-date database schema": f"it is of another version of MLflow: {_UPGRADE}",
    "Can't locate revision": _NEWER,
    "no such table": f"it is of another version of MLflow, or damaged: {_UPGRADE}",
    "no such column": f"it is of another version of MLflow: {_UPGRADE}",
    "error code 401": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    "error code 403": "ask for the right to write there",
    "not in a valid JSON format": f"something else than MLflow listens there: correct the address, {_ELSEWHERE}",
    "maintenance mode": f"MLflow no longer keeps runs in plain files: give sqlite:///FILE, {_ELSEWHERE}",
    "failed with": f"start the server or correct the address, {_ELSEWHERE}",
    "connect": f"start the server or correct the address, {_ELSEWHERE}",
}
"""Part of what MLflow or a database says -> what to do; the first that fits."""

_REVISION: Final = re.compile(r"found version (\w+)")
_LONGEST: Final = 300


@cache
def check(uri: str) -> None:
    """Ask a server or database whether it can be used; once it could, without effect.

    It takes at most half a minute. From then on MLflow gives up a server that goes away after ten seconds, unless
    `MLFLOW_HTTP_REQUEST_MAX_RETRIES` says otherwise.

    Args:
        uri: as in `MLFLOW_TRACKING_URI`.

    Raises:
        TrackingError: it cannot be used.
        NoSpaceError: the disk is full.
    """
    scheme = uri.partition(":")[0]
    if scheme in {"http", "https"}:
        _check_server(uri)
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, str(value))
    elif scheme == "sqlite":
        _check_file(uri)
    elif "sql" in scheme:
        _check_database(uri)


@contextmanager
def failures_told(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into words. After one, what is left to be told to a server is tried once only.

    Raises:
        TrackingError: MLflow could not do what was asked of it.
        NoSpaceError: the disk is full.
    """
    try:
        yield
    except Exception as error:
        if told := explain(error, uri):
            os.environ[_RETRIES] = "0"
            raise told from error
        raise


def explain(error: BaseException, uri: str) -> CuPipelineError | None:
    """Tell an error of MLflow in words; None where it is none of MLflow's.

    Args:
        error: any.
        uri: where runs are kept.
    """
    if isinstance(error, CuPipelineError) or not _is_mlflows(error):
        return None
    return _told(uri, str(error))


def _is_mlflows(error: BaseException) -> bool:
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(name.partition(".")[0] == "mlflow" for name in [type(error).__module__, *names])


def _told(uri: str, said: str) -> CuPipelineError:
    place = hide_passwords(uri)
    if "disk is full" in said:
        remedy = "the tables that were written are whole. Free space on its disk, then run again"
        return NoSpaceError(f"no space left to write {place}: {remedy}")
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in said), _ELSEWHERE.removeprefix("or "))
    if (found := _REVISION.search(said)) and not _is_known(found[1]):
        remedy = _NEWER
    text = hide_passwords(" ".join(_cause(said).split()))[:_LONGEST]
    return TrackingError(f"MLflow cannot use {place}\n{text}\nRemedy: {remedy.format(uri=place)}")


def _cause(said: str) -> str:
    """Leave out what urllib3 puts around the system's word."""
    _, around, cause = said.rpartition("Caused by ")
    return cause.rpartition("): ")[2].rstrip("\"')") if around else said


def _is_known(revision: str) -> bool:
    from importlib.resources import files

    versions = files("mlflow") / "store" / "db_migrations" / "versions"
    return any(file.name.startswith(revision) for file in versions.iterdir())


def _check_server(uri: str) -> None:
    import mlflow.utils.rest_utils as rest
    from mlflow.utils.credentials import get_default_host_creds

    retries = None if _RETRIES in os.environ else _FIRST_RETRIES
    timeout = None if _TIMEOUT in os.environ else _FIRST_TIMEOUT_S
    with failures_told(uri):
        answer = rest.http_request(
            get_default_host_creds(uri),
            _QUESTION,
            "GET",
            max_retries=retries,
            timeout=timeout,
            backoff_factor=None if retries is None else 1,
            raise_on_status=False,
            params={"experiment_name": "Default"},
        )
    status, text = answer.status_code, " ".join(answer.text.split())[:100]
    json = "json" in answer.headers.get("content-type", "")
    if status == 200 and not json:
        raise _told(uri, f"its answer is not in a valid JSON format: {text}")
    if status != 200 and not (json and "RESOURCE_DOES_NOT_EXIST" in text):
        raise _told(uri, f"a request failed with error code {status}: {text}")


def _check_file(uri: str) -> None:
    """Open a SQLite database as a writer does; a file that is not there yet is MLflow's to make."""
    path = Path(unquote(uri.removeprefix("sqlite:///").partition("?")[0]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or not path.stat().st_size:
            return
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            database.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        raise _told(uri, str(error)) from error


def _check_database(uri: str) -> None:
    """Connect once: MLflow would try for minutes."""
    import sqlalchemy

    os.environ.setdefault("PGCONNECT_TIMEOUT", str(_LOCK_TIMEOUT_S))
    try:
        engine: Any = sqlalchemy.create_engine(uri)
        with closing(engine.connect()):
            engine.dispose()
    except Exception as error:  # each driver has its own
        raise _told(uri, f"cannot connect: {error}") from error

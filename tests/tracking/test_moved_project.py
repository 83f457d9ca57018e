"""Projects that are moved or copied with all that they hold."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.tracking import artifact_places, mlflow_run, registry


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a project with a run, a champion and an experiment of the user's own that keeps artifacts elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("made") / "pröject (1)"
        bundle = root / "bundle"
        bundle.mkdir(parents=True)
        (bundle / "bundle.json").write_text("{}")
        patch.setenv(ROOT_VARIABLE, str(root))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        mlflow_run.start(root, "first", {})
        registry.register(bundle, "topic", "aaa", registry.CHAMPION)
        mlflow.set_tag("note", str(root / "mlruns-of-mine" / "x"))
        mlflow_run.finish("FINISHED")
        mlflow.create_experiment("mine", artifact_location="s3://bucket/mine")
        yield root
        mlflow.set_tracking_uri(None)


def open_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(ROOT_VARIABLE, str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return root


def files_of(root: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def stored(root: Path, statement: str) -> list[str]:
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as connection:
        return [value for (value,) in connection.execute(statement)]


def test_a_moved_projects_champion_is_found_and_new_runs_stay_in_it(made, tmp_path, monkeypatch):
    copied = shutil.copytree(made, tmp_path / "before")
    open_project(copied, monkeypatch)
    registry.champion("topic")
    (tmp_path / "after").mkdir()
    moved = copied.rename(tmp_path / "after" / "place")
    open_project(moved, monkeypatch)
    champion = registry.champion("topic")
    assert champion is not None
    target = registry.fetch(champion.source, tmp_path / "bundle")
    assert (target / "bundle.json").read_text() == "{}"
    mlflow_run.start(moved, "second", {})
    mlflow.log_text("a", "a.txt")
    mlflow_run.finish("FINISHED")
    assert not copied.exists()
    assert len(list(moved.glob("mlruns/artifacts/*/artifacts/a.txt"))) == 1


def test_a_copy_never_writes_into_its_original_and_names_it_nowhere(made, tmp_path, monkeypatch):
    before = files_of(made)
    copied = open_project(shutil.copytree(made, tmp_path / "copy"), monkeypatch)
    mlflow_run.start(copied, "second", {})
    mlflow.log_text("b", "b.txt")
    mlflow_run.finish("FINISHED")
    registry.register(shutil.copytree(copied / "bundle", tmp_path / "next"), "topic", "bbb")
    assert files_of(made) == before
    assert len(list(copied.glob("mlruns/artifacts/*/artifacts/b.txt"))) == 1
    assert made.as_uri() not in (copied / "mlruns" / "mlflow.db").read_bytes().decode("latin-1")
    for statement in (
        "SELECT artifact_uri FROM runs",
        "SELECT artifact_location FROM experiments WHERE name != 'mine'",
    ):
        assert not [value for value in stored(copied, statement) if str(made) in value or made.as_uri() in value]


def test_what_only_begins_alike_or_lies_elsewhere_is_left(made, tmp_path, monkeypatch):
    copied = open_project(shutil.copytree(made, tmp_path / "copy"), monkeypatch)
    mlflow_run.configure(copied)
    assert stored(copied, "SELECT value FROM tags WHERE key = 'note'") == [str(made / "mlruns-of-mine" / "x")]
    assert stored(copied, "SELECT artifact_location FROM experiments WHERE name = 'mine'") == ["s3://bucket/mine"]


def test_a_project_moved_into_a_folder_of_its_own_name_is_not_moved_twice(made, tmp_path, monkeypatch):
    first = shutil.copytree(made, tmp_path / "a")
    mlflow_run.configure(open_project(first, monkeypatch))
    aside = first.rename(tmp_path / "aside")
    (tmp_path / "a").mkdir()
    inner = open_project(aside.rename(tmp_path / "a" / "a"), monkeypatch)
    for _ in range(2):
        mlflow_run.configure(inner)
        (place,) = stored(inner, "SELECT artifact_location FROM experiments WHERE name = 'cu-pipeline'")
        assert place == (inner / "mlruns" / "artifacts").as_uri()


def test_a_locked_database_of_a_moved_project_ends_in_words(made, tmp_path, monkeypatch):
    copied = shutil.copytree(made, tmp_path / "copy")
    monkeypatch.setattr(artifact_places, "_WAIT_S", 0.1)
    database = copied / "mlruns" / "mlflow.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigurationError, match=r"(?s)database is locked.*make ui"):
            artifact_places.update_artifact_places(database, mlflow_run.EXPERIMENT)


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_a_file_that_is_no_database_of_mlflows_is_left_to_mlflow(tmp_path, content):
    database = tmp_path / "mlflow.db"
    if content is not None:
        database.write_bytes(content)
    artifact_places.update_artifact_places(database, mlflow_run.EXPERIMENT)
    assert (database.read_bytes() if database.exists() else None) == content


def test_a_run_does_not_keep_where_the_program_lies(made):
    assert all("/" not in name for name in stored(made, "SELECT value FROM tags WHERE key = 'mlflow.source.name'"))

from pathlib import Path
from types import SimpleNamespace

import pytest

from cu_pipeline.tracking.shared_artifacts import share_artifacts


@pytest.fixture
def logged(tmp_path):
    """Logs files as a run of MLflow's that keeps its artifacts in files, and gives the run and its folder."""

    def log(name: str, files: dict[str, str]) -> tuple[SimpleNamespace, Path]:
        folder = tmp_path / "a b" / name / "artifacts"
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return SimpleNamespace(info=SimpleNamespace(artifact_uri=folder.as_uri())), folder

    return log


def test_the_same_content_is_kept_once_and_another_is_not_touched(logged):
    _, first = logged("first", {"page.html": "same", "figures/a.png": "same", "other.json": "1"})
    run, second = logged("second", {"page.html": "same", "figures/a.png": "same", "other.json": "2", "new": "same"})
    assert share_artifacts(run) == 2
    assert (second / "page.html").samefile(first / "page.html")
    assert (second / "figures/a.png").samefile(first / "figures/a.png")
    assert [(folder / "other.json").read_text() for folder in (first, second)] == ["1", "2"]
    assert share_artifacts(run) == 0
    (first / "page.html").unlink()
    assert (second / "page.html").read_text() == "same"


def test_what_runs_share_cannot_be_written_by_accident(logged):
    logged("first", {"page.html": "same"})
    run, second = logged("second", {"page.html": "same"})
    share_artifacts(run)
    assert (second / "page.html").stat().st_mode & 0o222 == 0


@pytest.mark.parametrize("place", ["s3://bucket/run/artifacts", "mlflow-artifacts:/run", "file:///nowhere/artifacts"])
def test_artifacts_elsewhere_stay_as_they_are(place):
    assert share_artifacts(SimpleNamespace(info=SimpleNamespace(artifact_uri=place))) == 0

from pathlib import Path

import pytest

from cu_pipeline.tracking import mlflow_run
from cu_pipeline.tracking.capability_runs import CapabilityRuns
from cu_pipeline.tracking.mlflow_run import log_pictures
from cu_pipeline.tracking.run_metrics import main_metrics
from cu_pipeline.tracking.run_parameters import flatten


def test_pictures_are_logged_in_their_folders_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = []

    def note(folder: str, place: str) -> None:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*.png")}
        logged.append((place, files))

    monkeypatch.setattr("mlflow.log_artifacts", note)
    log_pictures(iter([("topic/a.png", b"1"), ("topic/b.png", b"2"), ("safety/a.png", b"3")]), "figures")
    assert logged == [("figures", {"topic/a.png": b"1", "topic/b.png": b"2", "safety/a.png": b"3"})]


def test_names_that_users_choose_are_logged_whatever_they_are(tracked_root: Path) -> None:
    import mlflow

    names = [
        "food & drink",
        "sujet (fr)",
        "C++",
        "C--",
        "a/b",
        "..",
        "名前",
        "Größe",
        "A",
        "a",
        "<b>",
        "x" * 300,
        "a.b",
    ]
    words = {name: {"class_descriptions": dict.fromkeys(names, "of it")} for name in names}
    report = {name: {"test": {"accuracy": number / 100}} for number, name in enumerate(names)}
    run_id = mlflow_run.start(tracked_root, "names", {})
    mlflow_run.log_params(flatten({"capabilities": words}))
    mlflow_run.log_metrics(main_metrics(report))
    capabilities = CapabilityRuns()
    for name in names[:3]:
        capabilities.log_steps(name, [{"epoch": 1.0, "loss": 0.5}])
    capabilities.finish("FINISHED")
    mlflow_run.finish("FINISHED")
    data = mlflow.get_run(run_id).data
    assert len(data.params) == len(names) ** 2
    assert sorted(data.metrics.values()) == [number / 100 for number in range(len(names))]
    assert data.metrics["名前/test/accuracy"] == 0.06
    assert data.params["capabilities.A.class_descriptions.a.b"] == "of it"

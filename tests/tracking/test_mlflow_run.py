from pathlib import Path

import pytest

from cu_pipeline.core.options import Options
from cu_pipeline.tracking import mlflow_run
from cu_pipeline.tracking.mlflow_run import evaluation_metrics, flatten, gate_metrics, log_pictures


class Inner(Options):
    size: int = 224


class Outer(Options):
    inner: Inner = Inner()
    names: tuple[str, ...] = ("a",)


def test_defaults_of_models_are_logged_too() -> None:
    assert flatten({"featurize": Outer(), "seed": 1}) == {
        "featurize.inner.size": 224,
        "featurize.names": ["a"],
        "seed": 1,
    }


def test_metrics_are_named_by_capability_and_split() -> None:
    report = {
        "topic": {
            "test": {"n": 9, "accuracy": 0.5, "ci95": {"accuracy": [0.4, 0.6]}},
            "train": {"accuracy": 1},
            "baselines": {"majority": {"accuracy": 0.2, "ci95": {}}},
            "classes": ["a"],
            "confusion": [[1]],
        }
    }
    assert evaluation_metrics(report) == {
        "topic/train/accuracy": 1.0,
        "topic/test/n": 9.0,
        "topic/test/accuracy": 0.5,
        "topic/baseline/majority/accuracy": 0.2,
    }


def test_runs_are_compared_by_what_they_trained_and_the_champion_stands_beside() -> None:
    trained = {"test": {"accuracy": 0.5}, "model_version": "bbb"}
    report = {"topic": {"test": {"accuracy": 0.75}, "train": {"accuracy": 1}, "challenger": trained}}
    assert evaluation_metrics(report) == {
        "topic/test/accuracy": 0.5,
        "topic/champion/test/accuracy": 0.75,
        "topic/champion/train/accuracy": 1.0,
    }


def test_decisions_of_the_gate_are_numbers_too() -> None:
    tested = {
        "decision": "promote",
        "forced": False,
        "p_value": 0.01,
        "alpha": 0.035,
        "effect": 0.1,
        "effect_shrunk": 0.08,
    }
    tested |= {"interval": [0.02, 0.18], "account": {"spent": 0.0}}
    tested |= {"power": {"units": 80, "smallest_gain": 0.09, "more_clips": 210, "assumed": False}}
    nothing = dict.fromkeys(("p_value", "alpha", "effect", "effect_shrunk", "interval", "account", "power"))
    found = gate_metrics({"topic": tested, "safety": {"decision": "keep", "forced": False} | nothing})
    assert found == {
        "topic/gate/promoted": 1, "topic/gate/forced": 0, "topic/gate/p_value": 0.01, "topic/gate/alpha": 0.035,
        "topic/gate/effect": 0.1, "topic/gate/effect_shrunk": 0.08, "topic/gate/effect_low": 0.02,
        "topic/gate/effect_high": 0.18, "topic/gate/units": 80, "topic/gate/smallest_gain": 0.09,
        "topic/gate/more_clips": 210, "topic/gate/alpha_spent": 0, "safety/gate/promoted": 0, "safety/gate/forced": 0,
    }  # fmt: skip


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
    mlflow_run.log_params({"capabilities": words})
    mlflow_run.log_metrics(evaluation_metrics(report))
    mlflow_run.log_curves({name: [{"epoch": 1.0, "loss": 0.5}] for name in names[:3]})
    mlflow_run.finish("FINISHED")
    data = mlflow.get_run(run_id).data
    assert len(data.params) == len(names) ** 2
    assert sorted(data.metrics.values()) == [number / 100 for number in range(len(names))]
    assert data.metrics["名前/test/accuracy"] == 0.06
    assert data.params["capabilities.A.class_descriptions.a.b"] == "of it"

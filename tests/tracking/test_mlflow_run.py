from pathlib import Path

import pytest

from cu_pipeline.core.options import Options
from cu_pipeline.tracking.mlflow_run import evaluation_metrics, flatten, log_pictures


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


def test_pictures_are_logged_in_their_folders_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logged = []

    def note(folder: str, place: str) -> None:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*.png")}
        logged.append((place, files))

    monkeypatch.setattr("mlflow.log_artifacts", note)
    log_pictures(iter([("topic/a.png", b"1"), ("topic/b.png", b"2"), ("safety/a.png", b"3")]), "figures")
    assert logged == [("figures", {"topic/a.png": b"1", "topic/b.png": b"2", "safety/a.png": b"3"})]

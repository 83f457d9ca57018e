import subprocess
import sys

import pytest

from cu_pipeline.reports.figures import model_figures
from cu_pipeline.reports.run_pictures import insight_pictures, metrics_pictures, training_pictures

NUMBERS = {"accuracy": 0.8, "macro_f1": 0.7, "ece": 0.1, "ci95": {"accuracy": [0.7, 0.9], "macro_f1": [0.6, 0.8]}}
SINGLE = {
    "test": {"n": 10} | NUMBERS,
    "baselines": {"majority": NUMBERS},
    "classes": ["cats", "dogs"],
    "confusion": [[5, 1], [1, 3]],
    "reliability": [{"confidence": 0.9, "accuracy": 0.8, "n": 10}],
}
MULTI = SINGLE | {"classes": ["advert"], "confusion": {"advert": [[5, 1], [1, 3]]}, "baselines": {}}
NAMES = ["accuracy", "macro_f1", "confusion", "calibration"]


@pytest.mark.parametrize("found", [SINGLE, MULTI], ids=["single", "multi"])
def test_every_capability_has_its_figures(found):
    assert list(model_figures(found)) == NAMES


def test_a_model_without_test_clips_has_none():
    assert model_figures({"classes": ["a"], "train": NUMBERS}) == {}


def test_pictures_are_repeatable_pngs_in_a_folder_per_capability():
    once, again = (dict(metrics_pictures({"topic": SINGLE, "empty": {"classes": []}})) for _ in range(2))
    assert list(once) == [f"topic/{name}.png" for name in NAMES]
    assert all(content.startswith(b"\x89PNG") for content in once.values())
    assert once == again


def test_the_fit_and_what_it_taught_are_drawn_where_they_are_known():
    rows = [{"epoch": epoch, "loss": 1 / epoch, "val_loss": 2 / epoch, "strength": 1.0} for epoch in (1, 2)]
    assert [name for name, _ in training_pictures({"topic": rows, "one": rows[:1], "none": []})] == [
        "topic/training.png"
    ]
    points = [{"clips": 10, "units": 5, "accuracy": 0.5}, {"clips": 20, "units": 9, "accuracy": 0.6}]
    forecast = {"clips": 1020, "accuracy": 0.8, "low": 0.7, "high": 0.9}
    parts = [{"modality": "frames", "part": 0.1, "ci95": [0.0, 0.2]}]
    known = {"learning_curve": {"points": points, "forecast": forecast}, "modalities": parts, "errors": []}
    found = dict(insight_pictures({"topic": known, "off": {"learning_curve": None, "modalities": []}}))
    assert list(found) == ["topic/learning_curve.png", "topic/modalities.png"]
    assert all(content.startswith(b"\x89PNG") for content in found.values())


def test_how_wrong_the_surest_answers_are_is_drawn_of_the_trained_model():
    points = [{"coverage": 0.5, "risk": 0.0, "threshold": 0.9}, {"coverage": 1.0, "risk": 0.2, "threshold": 0.0}]
    trained = SINGLE | {"selective": points, "confusion": [[6, 0], [0, 4]]}
    beside = dict(metrics_pictures({"topic": SINGLE | {"challenger": trained}}))
    alone = dict(metrics_pictures({"topic": trained}))
    assert "topic/risk_coverage.png" in beside
    assert beside["topic/confusion.png"] == alone["topic/confusion.png"]
    assert beside["topic/accuracy.png"] != alone["topic/accuracy.png"]


def test_importing_draws_nothing():
    code = "import sys, cu_pipeline.settings; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

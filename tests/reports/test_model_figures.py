import subprocess
import sys

import pytest

from cu_pipeline.reports.figures import metrics_pictures, model_figures

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


def test_importing_draws_nothing():
    code = "import sys, cu_pipeline.settings; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

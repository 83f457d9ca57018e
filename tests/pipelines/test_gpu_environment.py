"""`kedro run --env gpu` on a CPU, with tiny networks in folders in place of the hub's."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import yaml
from tests.models.tiny_networks import tiny_text, tiny_video

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.models.bundle import Bundle

pytestmark = pytest.mark.slow

CLASSES = ("红色", "blue")
CLIPS = 24
TINY = {"epochs": 12, "patience": 12, "batch_size": 4, "learning_rate": 0.01, "workers": 0, "compile": False}
STOPS = "--to-nodes=gather_metrics,measure_baselines"


def film(target: Path, number: int) -> None:
    """Write a clip of one colour, red or blue, with a noise of its own."""
    random = np.random.default_rng(number)
    picture = random.integers(0, 60, (48, 64, 3), dtype=np.uint8)
    picture[:, :, 0 if number % 2 else 2] += 180
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))


def run(folder: Path, environment: dict[str, str], *arguments: str) -> str:
    command = [Path(sys.executable).parent / "kedro", "run", "--env=gpu", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def parameters(given: dict[str, Any], checkpoints: dict[str, Path], folder: Path) -> dict[str, Any]:
    """The environment's own parameters, with folders inside the project as checkpoints."""
    for extractor, kind in (("image_text", "siglip"), ("caption_embeddings", "bert")):
        shutil.copytree(checkpoints[kind], folder / "models" / kind)
        given["featurize"]["extractors"][extractor]["checkpoint"]["name"] = f"models/{kind}"
    for family, made in (("text", tiny_text), ("video", tiny_video)):
        made(folder / "models" / family)
        given["train"][family] |= TINY
        given["train"][family]["checkpoint"]["name"] = f"models/{family}"
    given["train"]["auto"]["folds"] = 2
    given["featurize"]["extractors"]["pixels"] = {"count": 8, "size": 32}
    return given | {
        "capabilities": {"colour": {"classes": list(CLASSES)}},
        "collect": {"manifest": "clips.csv", "split": {"train": 0.5, "validation": 0.1, "test": 0.4}},
        "label": {"llm": {"enabled": False}},
        "evaluate": {"bootstrap_draws": 100},
        "compute": {"workers": 1},
    }


@pytest.fixture(scope="module")
def environment(project_environment: dict[str, str]) -> dict[str, str]:
    return project_environment | {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory,
    project_root: Path,
    environment: dict[str, str],
    tiny_checkpoints: dict[str, Path],
) -> Path:
    """Give a project after `kedro run --env gpu` up to evaluation."""
    folder = tmp_path_factory.mktemp("gpu") / "project"
    for name in ("src", "conf"):
        shutil.copytree(project_root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "local"))
    for name in ("pyproject.toml", "dvc.yaml", "bentofile.yaml", "constraints.txt", "weights.txt", "image.lock"):
        shutil.copy(project_root / name, folder)
    for name in ("conf/local", "films"):
        (folder / name).mkdir()
    settings = folder / "conf/gpu/parameters.yml"
    given = parameters(yaml.safe_load(settings.read_text()), tiny_checkpoints, folder)
    settings.write_text(yaml.safe_dump(given))
    rows = []
    for number in range(CLIPS):
        film(folder / f"films/{number}.mp4", number)
        rows.append(
            {"clip_id": f"c{number}", "path": f"films/{number}.mp4", "creator": f"maker {number}"}
            | {"text": f"字幕 {CLASSES[(number + 1) % 2]} {number}", "label_colour": CLASSES[(number + 1) % 2]}
        )
    pd.DataFrame(rows).to_csv(folder / "clips.csv", index=False)
    environment |= {ROOT_VARIABLE: str(folder), "PYTHONPATH": str(folder / "src")}
    run(folder, environment, STOPS)
    return folder


def test_families_are_compared_and_measured(project: Path) -> None:
    (rows,) = json.loads((project / "data/08_reporting/model_selection.json").read_text()).values()
    assert [row["family"] for row in rows] == ["majority", "zero_shot", "linear", "text"]
    assert all(row["loss"] is not None for row in rows)
    metrics = json.loads((project / "data/08_reporting/metrics.json").read_text())["colour"]
    assert metrics["test"]["n"] >= 5
    assert "image_text_logistic" in metrics["baselines"]
    (chosen,) = (row["family"] for row in rows if row["chosen"])
    assert ("zero_shot" in metrics["baselines"]) == (chosen != "zero_shot")


def test_a_zero_shot_model_is_trained_without_encoding_anything_anew(
    project: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment |= {ROOT_VARIABLE: str(project), "PYTHONPATH": str(project / "src")}
    said = run(project, environment, "--params=train.family=zero_shot", "--pipelines=featurize,train")
    assert "image_text: 0 to compute" in said
    assert "caption_embeddings: 0 to compute" in said
    monkeypatch.setenv(ROOT_VARIABLE, str(project))
    bundle = Bundle.load(project / "data/06_models/bundles/colour")
    assert bundle.family == "zero_shot"
    assert list(bundle.inputs) == ["image_text"]
    assert bundle.inputs["image_text"].parameters["precision"] == "float32"
    answer = Predictor({"colour": bundle}).predict(project / "films/1.mp4", "")
    assert set(answer.probabilities["colour"]) == set(CLASSES)
    (project / "models/siglip").rename(project / "models/gone")
    with pytest.raises(
        BundleError, match="'colour' reads 'image_text' features, which cannot be made here: checkpoint"
    ):
        Predictor({"colour": bundle})
    (project / "models/gone").rename(project / "models/siglip")


def test_fine_tuned_models_are_trained_measured_promoted_and_served(
    project: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment |= {ROOT_VARIABLE: str(project), "PYTHONPATH": str(project / "src")}
    given = yaml.safe_load((project / "conf/gpu/parameters.yml").read_text())
    members = {name: given["train"][name] for name in ("text", "video")} | {"linear": None, "fusion": None}
    given["train"] |= {"family": "ensemble", "ensemble": {"members": members, "folds": 2}}
    (project / "conf/gpu/parameters.yml").write_text(yaml.safe_dump(given))
    assert "family ensemble" in run(project, environment, "--pipelines=train,evaluate,deliver")
    monkeypatch.setenv(ROOT_VARIABLE, str(project))
    champion = Bundle.load(project / "data/06_models/champions/colour")
    assert {one["family"]: one["reads"] for one in champion.model["members"]} == {
        "text": ["caption_text"],
        "video": ["pixels"],
    }
    for folder in ("text", "video"):
        shutil.rmtree(project / "models" / folder)
    predictor = Predictor({"colour": champion})
    assert [predictor.predict(project / f"films/{number}.mp4", "").labels["colour"] for number in (1, 2)] == [*CLASSES]
    assert not list((project / "data/06_models").glob("checkpoints/*"))

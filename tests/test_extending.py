"""An extractor and a model family, each one file and one line in a table, seen through the whole lifecycle."""

import json
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "collect": {"manifest": ["clips/manifest.csv"], "split": {"train": 0.4, "validation": 0.1, "test": 0.5}},
    "featurize": {"extractors": {"frames": None, "brightness": {"steps": 3}}},
    "label": {"llm": {"enabled": False}},
    "train": {"family": "nearest_mean", "nearest_mean": {"sharpness": 60.0}},
    "workers": 1,
}


def add(project: Path, table: str, rows: str, module: str, line: str) -> None:
    """Copy a file beside a table of the project, and put its line into the table."""
    file = project / "src" / "cu_pipeline" / table
    package, name = file.parent.name, rows
    shutil.copy(ROOT / "tests" / "extending" / f"{module}.py", file.parent / f"{module}.py")
    text = file.read_text()
    kind = line.split(": ")[1]
    text = text.replace("\n\n" + name, f"\nfrom cu_pipeline.{package}.{module} import {kind}\n\n{name}", 1)
    start = text.index("{", text.index(f"\n{name}"))
    file.write_text(f"{text[: start + 1]}{line}, {text[start + 1 :]}")


def feed(folder: Path, clips: int = 60) -> None:
    """Write clips of patterns that differ, half of them dark and half of them light, each by a creator of its own."""
    folder.mkdir()
    rows = []
    for number in range(clips):
        random = np.random.default_rng(number)
        pattern = np.kron(random.normal(0, 40, (4, 4)), np.ones((16, 16)))
        picture = np.clip(pattern + (60 if number % 2 else 190), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
        with av.open(str(folder / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
            for shift in range(8):
                frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * shift, axis=1))
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        words = " ".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 12))
        label = "night" if number % 2 else "day"
        rows.append({"path": f"{number}.mp4", "text": words, "label": label, "creator": f"u{number}"})
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project with both additions, a feed, and nothing made yet."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("src", "conf", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "local"))
    for name in (*ROOT.glob("*.*"), ROOT / ".telemetry", ROOT / ".gitignore"):
        shutil.copy(name, folder / name.name) if name.is_file() else None
    add(folder, "features/table.py", "EXTRACTORS", "brightness", '"brightness": Brightness')
    add(folder, "models/families.py", "FAMILIES", "nearest_mean", '"nearest_mean": NearestMean')
    feed(folder / "clips")
    (folder / "conf" / "local").mkdir(exist_ok=True)
    (folder / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump(SETTINGS))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def read(project: Path, name: str) -> dict:
    return json.loads((project / "data" / "08_reporting" / f"{name}.json").read_text())


@pytest.mark.slow
def test_an_extractor_and_a_family_are_one_file_and_one_line_each(
    project: Path, project_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        ["kedro", "run"],
        cwd=project,
        env=project_environment | {"PYTHONPATH": str(project / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "brightness: 60 to compute, 0 stored" in said
    bundle = json.loads((project / "data/06_models/champions/topic/bundle.json").read_text())
    assert bundle["family"] == "nearest_mean"
    assert [one["name"] for one in bundle["inputs"]] == ["brightness"]
    metrics = read(project, "metrics")["topic"]
    assert metrics["test"]["accuracy"] > 0.9
    assert {"brightness_logistic", "majority"} <= set(metrics["baselines"])
    delivery = read(project, "delivery")
    assert delivery["parity"]["clips"] == 3
    assert delivery["parity"]["max_abs_diff"] <= 1e-4
    assert delivery["capabilities"]["topic"]["model_version"] == bundle["version"]
    drift = read(project, "drift")
    assert drift["current"]["n"] >= 20, "the service has answered"
    assert "embedding_brightness" in {test["name"] for test in drift["tests"]}
    assert not any(name.startswith("embedding") for name in drift["skipped"])

"""The examples of docs/extending.md, seen through the whole lifecycle."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import yaml

from cu_pipeline.inference.prediction_log import PredictionLog, read_log

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
SETTINGS = {
    "collect": {"split": {"train": 0.4, "validation": 0.1, "test": 0.5}},
    "label": {"llm": {"enabled": False}},
    "compute": {"workers": 1},
}
TAGGED = range(6)
"""Clips that nobody has labelled, whose captions tell the answer by a hashtag."""


def blocks(language: str) -> dict[str, str]:
    """The page's blocks of a language by the file that their first line names."""
    found = re.findall(
        rf"^```{language}\n# (\S+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return dict(found)


def with_lines(text: str, change: str) -> str:
    """Add the lines that begin with +, each beside the line that stands next to it in the page."""
    lines, place, early = text.splitlines(), 0, list[str]()
    for mark, line in ((one[:1], one[1:]) for one in change.splitlines()):
        if mark == "+" and place:
            lines.insert(place, line)
            place += 1
        elif mark == "+":
            early.append(line)
        else:
            place = lines.index(line, place)
            lines[place:place] = early
            place, early = place + len(early) + 1, []
    return "\n".join(lines) + "\n"


def feed(folder: Path, clips: int = 60) -> None:
    """Write clips of patterns that differ, half of them dark and half of them light, each by a creator of its own."""
    folder.mkdir()
    for number in range(clips):
        random = np.random.default_rng(number)
        pattern = np.kron(random.normal(0, 40, (4, 4)), np.ones((16, 16)))
        picture = np.clip(pattern + (60 if number % 2 else 190), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
        picture = picture[: 64 if number % 3 else 48]
        with av.open(str(folder / f"{number}.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.height, stream.width = picture.shape[:2]
            stream.pix_fmt = "yuv420p"
            for shift in range(8):
                frame = av.VideoFrame.from_ndarray(np.roll(picture, 2 * shift, axis=1))
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        words = " ".join(random.choice(list("abcdefghijklmnopqrstuvwxyz"), 12))
        kind = "night" if number % 2 else "day"
        facts = {"id": str(number), "ext": "mp4", "title": words, "uploader_id": f"u{number}", "categories": [kind]}
        if number in TAGGED:
            facts |= {"title": f"{words} #{kind}", "categories": None}
        (folder / f"{number}.info.json").write_text(json.dumps(facts))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project with the page's files and lines, a feed, and nothing made yet."""
    folder = tmp_path_factory.mktemp("extended")
    for name in ("src", "conf", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "local"))
    for name in (*ROOT.glob("*.*"), ROOT / ".telemetry", ROOT / ".gitignore"):
        shutil.copy(name, folder / name.name) if name.is_file() and name.name != ".git" else None
    for name, code in blocks("python").items():
        (folder / name).write_text(code, encoding="utf-8")
    for name, change in blocks("diff").items():
        (folder / name).write_text(with_lines((folder / name).read_text(encoding="utf-8"), change), encoding="utf-8")
    feed(folder / "clips")
    ((name, text),) = blocks("yaml").items()
    settings = yaml.safe_load(text)
    for group, values in SETTINGS.items():
        settings[group] = settings.get(group, {}) | values if isinstance(values, dict) else values
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(yaml.safe_dump(settings))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def read(project: Path, name: str) -> dict:
    return json.loads((project / "data" / "08_reporting" / f"{name}.json").read_text())


def kedro(project: Path, environment: dict[str, str], *words: str) -> str:
    """Run a command in the project; give what it says."""
    done = subprocess.run(
        ["kedro", *words],
        cwd=project,
        env=environment | {"PYTHONPATH": str(project / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def become_traffic(place: Path) -> None:
    """Let users have sent what the delivery sent to try the service out."""
    log = PredictionLog.open(str(place))
    for record in read_log(str(place), replays=True).records:
        log.append(record.model_copy(update={"request_id": f"user-{record.request_id}", "replay": False}))
    log.close()


@pytest.mark.slow
def test_each_example_is_a_file_and_a_line_and_takes_part_in_the_lifecycle(
    project: Path, project_environment: dict[str, str]
) -> None:
    said = kedro(project, project_environment, "run")
    assert "brightness: 60 to compute, 0 stored" in said
    bundle = json.loads((project / "data/06_models/champions/topic/bundle.json").read_text())
    assert bundle["family"] == "nearest_mean"
    assert [one["name"] for one in bundle["inputs"]] == ["brightness"]
    rules = pd.read_parquet(project / "data/05_model_input/rule_annotations.parquet")
    assert set(rules["annotator"]) == {"hashtags"}
    assert sorted(map(int, rules["clip_id"])) == list(TAGGED)
    metrics = read(project, "metrics")["topic"]
    assert metrics["test"]["accuracy"] > 0.9
    assert {"brightness_logistic", "majority"} <= set(metrics["baselines"])
    delivery = read(project, "delivery")
    assert delivery["parity"]["clips"] == 3
    assert delivery["parity"]["max_abs_diff"] <= 1e-4
    assert delivery["capabilities"]["topic"]["model_version"] == bundle["version"]
    become_traffic(project / "data/07_model_output/prediction_log")
    kedro(project, project_environment, "run", "--pipelines", "monitor")
    drift = read(project, "drift")
    assert drift["current"]["n"] >= 20, "the service has answered"
    assert {"embedding_brightness", "shape"} <= {test["name"] for test in drift["tests"]}
    assert not any(name.startswith("embedding") for name in drift["skipped"])


def test_the_page_shows_lines_that_the_tables_have() -> None:
    """Quick to tell: the lifecycle takes a minute."""
    for name, change in blocks("diff").items():
        assert with_lines((ROOT / name).read_text(encoding="utf-8"), change).count("\n") > 0

"""The feed of this project over runs, answers of people, foreign feeds and a run that is killed."""

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from tests.servers.kedro_commands import Kedro, kedro_commands

from cu_pipeline.tracking import params_file

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
COLLECT = ("run", "--pipelines=collect")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, project_environment: dict[str, str]) -> Path:
    """Give a copy of this project with two feeds that share no clip."""
    folder = tmp_path_factory.mktemp("feed") / "project"
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "local", "config.local")
    for name in ("src", "conf", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in ("pyproject.toml", "dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".telemetry"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "conf" / "local").mkdir()
    logging = folder / "conf" / "logging.yml"
    logging.write_text(logging.read_text().replace("ext://sys.stdout", "ext://sys.stderr"))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True, env=project_environment)
    for name, kind in (("own", ("cooking", "pets")), ("foreign", ("news", "music"))):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["clip_id", "text", "creator", "label"])
            for number in range(24):
                text = f"text {number} about {kind[number % 2]}"
                rows.writerow([f"{name}{number}", text, f"{name}{number % 9}", kind[number % 2] if number < 16 else ""])
    return folder


@pytest.fixture(scope="module")
def kedro(project: Path, project_environment: dict[str, str]) -> Iterator[Kedro]:
    with kedro_commands(project, project_environment | {"PYTHONPATH": str(project / "src")}) as run:
        yield run


@pytest.fixture(scope="module")
def first_run(project: Path, kedro: Kedro) -> str:
    manifest = f"collect.manifest={project / 'own.csv'},label.llm.enabled=false"
    code, shown = kedro("run", "--pipelines=collect,label", "--params", manifest)
    assert code == 0, shown
    return shown


def clips(project: Path) -> set[str]:
    """Name the feeds whose clips are stored."""
    return {
        name.rstrip("0123456789") for name in pd.read_parquet(project / "data/02_intermediate/clips.parquet")["clip_id"]
    }


def feed(project: Path) -> object:
    return params_file.read(project).get("collect", {}).get("manifest")


def test_the_first_feed_that_a_run_is_given_is_the_projects(project: Path, first_run: str) -> None:
    assert "this project's feed is own.csv from now on (params.yaml)" in first_run
    assert feed(project) == "own.csv"


@pytest.mark.usefixtures("first_run")
def test_a_bare_run_after_peoples_answers_reads_the_same_feed(project: Path, kedro: Kedro) -> None:
    assert kedro("labels", "export", "tasks.json")[0] == 0
    asked = [task["data"]["clip_id"] for task in json.loads((project / "tasks.json").read_text())]
    said = {"label_topic": "pets", "label_safety": "none", "annotator": 7}
    answers = [said | {"clip_id": name, "id": n, "annotation_id": n} for n, name in enumerate(asked, 1)]
    (project / "answers.json").write_text(json.dumps(answers))
    code, shown = kedro("labels", "import", "answers.json")
    assert code == 0, shown
    code, shown = kedro(*COLLECT)
    assert code == 0, shown
    assert clips(project) == {"own"}
    assert "the feed" not in shown
    assert "project's feed" not in shown
    assert feed(project) == "own.csv"


@pytest.mark.usefixtures("first_run")
@pytest.mark.parametrize("given", ["foreign.csv", "sample"])
def test_a_foreign_feed_is_refused_and_nothing_changes(project: Path, kedro: Kedro, given: str) -> None:
    before = {path: path.read_bytes() for path in (project / "data").rglob("*.parquet")}
    code, shown = kedro(*COLLECT, "--params", f"collect.manifest={given}")
    assert code == 1
    assert f"the feed '{given}'" in shown
    assert "shares no clip with what this project holds, 24 clips of 'own.csv'" in shown
    assert "--replace" in shown
    assert "Traceback" not in shown
    assert {path: path.read_bytes() for path in before} == before
    assert feed(project) == "own.csv"


@pytest.mark.usefixtures("first_run")
def test_a_feed_that_is_replaced_on_purpose_is_the_projects_and_guarded_again(project: Path, kedro: Kedro) -> None:
    code, shown = kedro(*COLLECT, "--params", "collect.manifest=foreign.csv", "--replace")
    assert code == 0, shown
    assert "24 rows of 'foreign.csv' take the place of 24 clips of 'own.csv'" in shown
    assert "this project's feed is foreign.csv from now on" in shown
    assert "replace" not in (project / "params.yaml").read_text()
    code, shown = kedro(*COLLECT)
    assert code == 0, shown
    assert clips(project) == {"foreign"}
    code, shown = kedro(*COLLECT, "--params", "collect.manifest=own.csv")
    assert code == 1, "the replacement was for one run"
    code, shown = kedro(*COLLECT, "--params", "collect.manifest=own.csv;foreign.csv")
    assert code == 0, shown
    assert clips(project) == {"own", "foreign"}
    assert feed(project) == ["own.csv", "foreign.csv"]


@pytest.mark.usefixtures("first_run")
def test_a_run_that_fails_after_its_rows_were_stored_leaves_a_feed_that_the_next_one_takes(
    project: Path, kedro: Kedro
) -> None:
    both = "collect.manifest=own.csv;foreign.csv"
    assert kedro(*COLLECT, "--params", both, "--replace")[0] == 0
    target = project / "data/02_intermediate/duplicates.parquet"
    target.unlink()
    target.mkdir()  # so that the run ends in the middle
    code, _ = kedro(*COLLECT, "--params", "collect.manifest=own.csv")
    target.rmdir()
    assert code == 1
    assert feed(project) == "own.csv"
    code, shown = kedro(*COLLECT)
    assert code == 0, shown
    assert clips(project) == {"own"}


@pytest.mark.usefixtures("first_run")
def test_what_conf_states_goes_before_the_projects_feed(project: Path, kedro: Kedro) -> None:
    local = project / "conf" / "local" / "parameters.yml"
    local.write_text("collect:\n  manifest: own.csv;foreign.csv\n")
    code, shown = kedro(*COLLECT)
    local.unlink()
    assert code == 0, shown
    assert clips(project) == {"own", "foreign"}
    code, shown = kedro(*COLLECT, "--env=ci")
    assert code == 1
    assert "the feed 'sample'" in shown

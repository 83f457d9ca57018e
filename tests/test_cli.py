import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import cu_pipeline
from cu_pipeline.cli.params import split


def test_the_package_runs_as_a_command(project_root: Path, project_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cu_pipeline", "dvc-yaml", "--help"],
        cwd=project_root,
        env=project_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Write dvc.yaml from the pipelines and the catalog." in done.stdout


@pytest.mark.parametrize(
    ("given", "command"),
    [
        ([], "kedro run"),
        (["MANIFEST=../a b.csv"], "kedro run --params 'collect.manifest=../a b.csv'"),
        (["PARAMS=train.epochs=3"], "kedro run --params 'train.epochs=3'"),
        (["MANIFEST=a.csv", "REPLACE=1"], "kedro run --params 'collect.manifest=a.csv' --replace"),
        (["REPLACE=0"], "kedro run"),
        (["MANIFEST=a.csv", "PARAMS=seed=1"], "kedro run --params 'collect.manifest=a.csv,seed=1'"),
        (["MANIFEST=a.csv;sql:sqlite:///{X}#t"], "kedro run --params 'collect.manifest=a.csv;sql:sqlite:///{X}#t'"),
        (["ENV=ci", "PIPELINES=train"], "kedro run --env 'ci' --pipelines 'train'"),
    ],
)
def test_make_run_passes_its_settings_on(
    project_root: Path, project_environment: dict[str, str], given: list[str], command: str
) -> None:
    environment = project_environment | {"ENV": "/etc/shinit"}
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "run", *given],
        cwd=project_root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert " ".join(done.stdout.splitlines()[-1].split()).endswith("/" + command)


@pytest.mark.parametrize(
    "path",
    ["/a,b.csv", "../a b.csv", 'it\'s "q".csv', "/a$b.csv", "$(X)$${y}.csv", "x=y,1.csv", "`id`\\b.csv", "名前.csv"],
)
def test_any_path_comes_through_make_and_kedro_as_it_was_typed(
    project_root: Path, project_environment: dict[str, str], path: str
) -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", "run", f"MANIFEST={path}", "PARAMS=seed=1"],
        cwd=project_root,
        env=project_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    _, _, option, given = shlex.split(done.stdout.splitlines()[-1])
    assert option == "--params"
    assert split(given) == [f"collect.manifest={path}", "seed=1"]


def test_the_changelog_and_the_package_agree_on_the_version(project_root: Path) -> None:
    text = (project_root / "pyproject.toml").read_text()
    assert f'version = "{cu_pipeline.__version__}"' in text

"""Importing is cheap: no heavy library is loaded before the command at hand needs it."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "mlflow", "evidently", "transformers")

LOADED = """
import importlib, pkgutil, sys
import cu_pipeline
from cu_pipeline import cli, hooks, pipeline_registry, settings
for package in ("pipelines", "datasets", "tracking", "reports"):
    place = importlib.import_module(f"cu_pipeline.{package}")
    for module in pkgutil.walk_packages(place.__path__, f"cu_pipeline.{package}."):
        importlib.import_module(module.name)
heavy = {"ray", "torch", "mlflow", "evidently", "transformers", "bentoml", "av", "sklearn", "matplotlib", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.slow
def test_kedro_help_loads_no_heavy_library(project_root: Path, project_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kedro", "--help"],
        cwd=project_root,
        env=project_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "dvc-yaml" in done.stdout
    assert "cu_pipeline" in imported
    assert not imported.intersection(HEAVY)


def test_what_kedro_imports_loads_no_heavy_library(project_root: Path, project_environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=project_root,
        env=project_environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

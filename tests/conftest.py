import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

collect_ignore = ["tiny_project", "no_network"]


@pytest.fixture(scope="session")
def project_root() -> Path:
    """Give the folder of this repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real data sets beside the repository; skip where there is none."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data here")
    return folder


@pytest.fixture(scope="session")
def project_environment() -> dict[str, str]:
    """Give an environment in which the venv's commands are found and no outer project or stage is seen."""
    clean = {
        key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "KEDRO_", "MLFLOW_", "CU_"))
    }
    clean["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", "")])
    return clean | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def new_project(project_environment: dict[str, str]) -> Callable[[Path], Path]:
    """Give a function that makes a small Kedro project with this package's settings in a new git repository."""

    def make(folder: Path) -> Path:
        shutil.copytree(ROOT / "tests" / "tiny_project", folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "conf" / "local").mkdir()
        shutil.copy(ROOT / "conf" / "logging.yml", folder / "conf")
        (folder / ".dvc").mkdir()
        for name in (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", ".telemetry"):
            shutil.copy(ROOT / name, folder / name)
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
        for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "start"]):
            subprocess.run(["git", *command], cwd=folder, env=project_environment, check=True)
        return folder

    return make

"""A project of its own for the simulation, so that nothing of the one at hand is touched."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError, CuPipelineError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.telemetry import SWITCHES

LOCAL: Final = "conf/local/parameters_year.yml"
_FILES: Final = (
    ".dvcignore",
    ".gitignore",
    ".telemetry",
    "bentofile.yaml",
    "constraints.txt",
    "dvc.yaml",
    "image.lock",
    "pyproject.toml",
    "weights.txt",
)
_FOLDERS: Final = ("conf", "src")
_LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "local", "*.egg-info")
_OUTER: Final = ("CU_PIPELINE_", "DVC_", "KEDRO_", "MLFLOW_")


class CommandError(CuPipelineError):
    """A command of the simulation's project failed; the message ends with its last output."""


@dataclass(frozen=True)
class Project:
    """A copy of the code and configuration of a project, without its data.

    Attributes:
        root: its folder.
    """

    root: Path

    @classmethod
    def create(cls, source: Path, root: Path, parameters: Mapping[str, Any]) -> "Project":
        """Copy a project's code and configuration to an empty folder.

        Args:
            source: the project at hand; its `conf/local` is left out.
            root: the new folder.
            parameters: that differ.

        Raises:
            ConfigurationError: there is something in the folder, or the project is not whole.
        """
        if root.exists() and any(root.iterdir()):
            raise ConfigurationError(f"{root} is not empty: remove it, or give another --folder")
        lacking = [name for name in (*_FILES, *_FOLDERS) if not (source / name).exists()]
        if lacking:
            raise ConfigurationError(
                f"{source} has no {', '.join(lacking)}: run the simulation in a checkout of the project"
            )
        root.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            shutil.copy(source / name, root / name)
        for name in _FOLDERS:
            shutil.copytree(source / name, root / name, ignore=_LEFT_OUT)
        (root / ".dvc").mkdir()
        shutil.copy(source / ".dvc" / "config", root / ".dvc" / "config")
        write_text(root / LOCAL, yaml.safe_dump(dict(parameters), sort_keys=True))
        return cls(root)

    def variables(self) -> dict[str, str]:
        """The environment of its commands: nothing of an outer project, nothing sent home."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OUTER)}
        path = os.pathsep.join([str(self.root / "src"), *filter(None, [clean.get("PYTHONPATH", "")])])
        return clean | SWITCHES | {ROOT_VARIABLE: str(self.root), "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"}

    def kedro(self, *arguments: str, allowed: Sequence[int] = (0,)) -> int:
        """Run a command of the project, and give its exit code.

        Args:
            arguments: after `kedro`.
            allowed: exit codes that are no failure.

        Raises:
            CommandError: it failed.
        """
        log = self.root / "commands.log"
        with log.open("ab") as stream:
            stream.write(f"\n$ kedro {' '.join(arguments)}\n".encode())
            stream.flush()
            done = subprocess.run(
                [sys.executable, "-m", "kedro", *arguments],
                cwd=self.root,
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode not in allowed:
            lines = log.read_text("utf-8", errors="replace").rstrip().splitlines()[-6:]
            raise CommandError(
                f"`kedro {' '.join(arguments)}` ended with {done.returncode}. The end of {log}:\n" + "\n".join(lines)
            )
        return done.returncode

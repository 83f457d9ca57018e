"""Records the data of a run in `dvc.lock`, and reads the hashes back."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from cu_pipeline.core.telemetry import SWITCHES

_logger = logging.getLogger(__name__)

_ADVICE = "The run itself succeeded, but `dvc repro` will do it again."


def commit(root: Path, stages: Iterable[str]) -> bool:
    """Record the stages' inputs and outputs as they lie on the disk in `dvc.lock` and in DVC's cache.

    Args:
        root: the project's folder.
        stages: those whose every node ran. Names that `dvc.yaml` does not know are left out.

    Returns:
        Whether it was recorded; when not, a warning says why.
    """
    wanted = [name for name in stages if name in _stage_names(root)]
    if not wanted:
        return False
    command = [sys.executable, "-m", "dvc", "commit", "--quiet", "--force", *wanted]
    done = subprocess.run(
        command,
        cwd=root,
        env=os.environ | SWITCHES,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        text = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        _logger.warning("DVC did not record this run: %s\n%s", text, _ADVICE)
    return done.returncode == 0


def hashes(root: Path, stages: Iterable[str]) -> dict[str, str]:
    """Give the data that the stages read and wrote, path -> DVC's hash, as far as `dvc.lock` tells.

    Code, which git versions, is left out.
    """
    path = root / "dvc.lock"
    if not path.is_file():
        return {}
    locked = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("stages", {})
    items = [item for name in stages for kind in ("deps", "outs") for item in locked.get(name, {}).get(kind, [])]
    return {item["path"]: item["md5"] for item in items if "md5" in item and not item["path"].startswith("src/")}


def _stage_names(root: Path) -> set[str]:
    path = root / "dvc.yaml"
    if not path.is_file():
        return set()
    return set((yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("stages", {}))

"""Records the data of a run in `dvc.lock`, and gives DVC's hashes."""

import hashlib
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.telemetry import SWITCHES
from cu_pipeline.tracking import yaml_files

_logger = logging.getLogger(__name__)

_FILE_NAME: Final = "dvc.lock"
_BEFORE: Final = Path(".dvc/tmp/dvc.lock.before")
_MD5: Final = re.compile(r"[0-9a-f]{32}(\.dir)?")
_EMPTY: Final = ("d41d8cd98f00b204e9800998ecf8427e", "d751713988987e9331980363e24189ce.dir")
"""The hashes of a file and of a folder without content."""

_ADVICE: Final = "The run itself succeeded, but `dvc repro` will do it again."


def commit(root: Path, stages: Iterable[str]) -> bool:
    """Record the stages' inputs and outputs as they lie on the disk in `dvc.lock` and in DVC's cache.

    Args:
        root: the project's folder.
        stages: those whose every node ran. Names that `dvc.yaml` does not know are left out.

    Returns:
        Whether it was recorded; when not, a warning says why.
    """
    known = _written_stages(root)
    wanted = [name for name in stages if name in known]
    if not wanted:
        return False
    repair(root)
    _keep(root)
    targets = ["dvc.yaml"] if set(wanted) == set(known) else wanted  # DVC reads its files anew for each target
    command = [sys.executable, "-m", "dvc", "commit", "--force", *targets]  # --quiet would hide reasons too
    done = subprocess.run(
        command,
        cwd=root,
        env=os.environ | SWITCHES,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    (root / _BEFORE).unlink(missing_ok=True)
    if done.returncode:
        reason = _reason((done.stderr or done.stdout).strip() or f"exit status {done.returncode}")
        _logger.warning("DVC did not record this run: %s\n%s", reason, _ADVICE)
    return done.returncode == 0


_MOST_LINES: Final = 5
_REMEDIES: Final = {
    "not a git repository": "`git init`, or `dvc config core.no_scm true` to do without git",
    "not inside of a DVC repository": "`dvc init`, or `dvc init --no-scm` to do without git",
}
"""Part of what DVC says -> what to do."""


def _reason(said: str) -> str:
    """Shorten what DVC said to its last lines, and add what to do where that is known."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    text = "\n".join(lines[-_MOST_LINES:]).removeprefix("ERROR: ")
    remedies = [remedy for part, remedy in _REMEDIES.items() if part in said]
    return "\n".join([text, *(f"Remedy: {remedy}" for remedy in remedies)])


def check(root: Path) -> None:
    """Check before a run that the files which are read after it can be read.

    Raises:
        ConfigurationError: `dvc.lock` or `dvc.yaml` has an unresolved merge or is damaged.
    """
    if (root / _FILE_NAME).is_file():
        outs(yaml_files.read_text(root / _FILE_NAME))
    compared_parameters(root)


def repair(root: Path) -> None:
    """Put right what a `dvc commit` that was killed left half written: DVC writes its files in place.

    `dvc.lock` is as before that commit when something in it got lost. No other DVC process may be at work.
    """
    before, lock, readers = root / _BEFORE, root / _FILE_NAME, root / ".dvc" / "tmp" / "rwlock"
    if before.is_file():
        if not _complete_outs(before) <= _complete_outs(lock):
            write_text(lock, before.read_text(encoding="utf-8"))
            _logger.warning("restored dvc.lock, which a killed run had left half written")
        before.unlink()
    if readers.is_file():
        try:
            json.loads(readers.read_bytes())
        except ValueError:
            readers.unlink()


def hashes(root: Path, stages: Iterable[str]) -> dict[str, str]:
    """List the data that the stages read and wrote, path -> DVC's hash, as far as `dvc.lock` tells.

    Code, which git versions, is left out.
    """
    with yaml_files.shape_told(_FILE_NAME):
        locked = yaml_files.read(root / _FILE_NAME).get("stages") or {}
        items = [item for name in stages for kind in ("deps", "outs") for item in locked.get(name, {}).get(kind, [])]
        return {item["path"]: item["md5"] for item in items if "md5" in item and not item["path"].startswith("src/")}


def outs(locked: str, name: str = _FILE_NAME) -> dict[str, str]:
    """List the data that any stage wrote, path -> DVC's hash.

    Args:
        locked: the text of a `dvc.lock`.
        name: what errors call it.

    Raises:
        ConfigurationError: it has an unresolved merge, or is damaged.
    """
    with yaml_files.shape_told(name):
        stages = yaml_files.parse(locked, name).get("stages") or {}
        items = [item for stage in stages.values() for item in stage.get("outs", [])]
        return {item["path"]: item["md5"] for item in items if "md5" in item}


def unpulled(root: Path, paths: Iterable[str]) -> list[str]:
    """Name those files and folders that are recorded with content, but are not there at all.

    Raises:
        ConfigurationError: `dvc.lock` has an unresolved merge, or is damaged.
    """
    absent = [path for path in paths if not (root / path).exists()]
    if not absent or not (root / _FILE_NAME).is_file():
        return []
    recorded = outs(yaml_files.read_text(root / _FILE_NAME))
    return [path for path in absent if path in recorded and recorded[path] not in _EMPTY]


def _keep(root: Path) -> None:
    if (root / _FILE_NAME).is_file() and (root / ".dvc").is_dir():
        write_text(root / _BEFORE, (root / _FILE_NAME).read_text(encoding="utf-8"))


def _complete_outs(lock: Path) -> set[str]:
    try:
        found = outs(lock.read_text(encoding="utf-8"))
    except (OSError, ValueError, ConfigurationError):
        return set()
    return {path for path, md5 in found.items() if _MD5.fullmatch(str(md5))}


def compared_parameters(root: Path) -> set[str]:
    """Name the keys of `params.yaml` that a stage of `dvc.yaml` compares."""
    with yaml_files.shape_told("dvc.yaml"):
        stages = _written_stages(root).values()
        return {key for stage in stages for key in stage.get("params", []) if isinstance(key, str)}


def _written_stages(root: Path) -> dict[str, Any]:
    return yaml_files.read(root / "dvc.yaml").get("stages") or {}


def dvc_md5(path: Path) -> str | None:
    """Compute the hash that `dvc.lock` has for a file or folder; None when there is neither.

    Args:
        path: a file (MD5 of its bytes) or a folder (MD5 of the JSON list of its files, with the suffix `.dir`).
    """
    if path.is_file():
        return _file_md5(path)
    if not path.is_dir():
        return None
    files = sorted((file.relative_to(path), file) for file in path.rglob("*") if file.is_file())
    entries = [{"md5": _file_md5(file), "relpath": name.as_posix()} for name, file in files]
    entries.sort(key=lambda entry: entry["relpath"])
    return hashlib.md5(json.dumps(entries).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _file_md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

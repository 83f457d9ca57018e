"""Changes of the code that a run was made from and that no commit has, as one patch."""

import os
import subprocess
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.tracking.facts import ask_git

_CODE: Final = ("src", "conf", "pyproject.toml", "constraints.txt")
"""What a run's result follows from; what runs themselves write, such as `dvc.lock`, is none of it."""

LARGEST: Final = 2_000_000
"""Bytes of a patch that a run keeps."""


def patch(root: Path) -> bytes:
    """Write what differs from the commit that is checked out, with files that git does not know yet; b"": nothing.

    What git ignores, such as credentials, is left out.

    Args:
        root: the project's folder.
    """
    top = ask_git(root, "rev-parse", "--show-toplevel")
    if not top:
        return b""
    changed = _ask(root, "diff", "--binary", "--no-ext-diff", "--no-color", "HEAD", "--", *_CODE)
    listed = _ask(root, "ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", *_CODE)
    new = [os.fsdecode(name) for name in listed.split(b"\0") if name]
    parts = [_ask(Path(top), "diff", "--binary", "--no-color", "--no-index", "--", os.devnull, name) for name in new]
    return b"".join([changed, *parts])


def apply(folder: Path, changes: bytes) -> None:
    """Bring the changes into a checkout of the commit that they were made from.

    Raises:
        ConfigurationError: git refuses them.
    """
    command = ["git", "apply", "--binary", "--whitespace=nowarn", "-"]
    done = subprocess.run(command, cwd=folder, input=changes, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ConfigurationError(f"git does not take the run's uncommitted changes (reproduction/code.patch): {said}")


def _ask(folder: Path, *arguments: str) -> bytes:
    """Ask git; a difference is no fault, whatever its exit status says."""
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False).stdout
    except OSError:
        return b""

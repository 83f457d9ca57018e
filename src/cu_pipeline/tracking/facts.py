"""What a run needs told about itself to be repeated: code, environment, threads, decoders."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from cu_pipeline.core.hashing import file_sha256

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def run_facts(root: Path) -> dict[str, str]:
    """Collect the tags of a run that starts now: git commit, environment, machine.

    Args:
        root: the project's folder.
    """
    return {
        **_git(root),
        **_constraints(root),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": str(os.cpu_count()),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def end_facts() -> dict[str, str]:
    """Collect the tags that are known when the nodes have run: threads of the libraries in use, decoders."""
    from cu_pipeline.media.decoding import decoder_identity

    facts = {f"threads.{name}": os.environ[name] for name in _THREAD_VARIABLES if name in os.environ}
    if torch := sys.modules.get("torch"):
        facts["threads.torch"] = str(torch.get_num_threads())
        facts["torch"] = str(torch.__version__)
    return facts | {f"decoder.{name}": value for name, value in decoder_identity().items()}


def git_commit(root: Path) -> str | None:
    """Name the commit that is checked out; None outside git."""
    return ask_git(root, "rev-parse", "HEAD")


def _git(root: Path) -> dict[str, str]:
    commit = git_commit(root)
    if commit is None:
        return {}
    changes = ask_git(root, "status", "--porcelain")
    return {"git.commit": commit, "git.dirty": str(bool(changes)).lower(), "mlflow.source.git.commit": commit}


def ask_git(root: Path, *arguments: str) -> str | None:
    """Run a git command; None where git has no answer, or there is none."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _constraints(root: Path) -> dict[str, str]:
    path = root / "constraints.txt"
    return {"constraints.sha256": file_sha256(path)} if path.is_file() else {}

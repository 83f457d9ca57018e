"""DVC's remotes: which of them this machine can look into."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cu_pipeline.core.addresses import hide_passwords


@contextmanager
def dvc_repository(root: Path) -> Iterator[Any]:
    """Open the repository of a project; None where DVC knows none there."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repository = Repo(str(root))
    except DvcException:
        yield None
        return
    with repository:
        yield repository


def remotes_apart(root: Path) -> dict[str, str]:
    """Name the remotes that this machine has no keys or packages for.

    Returns:
        Name -> what is missing, with the remedy.
    """
    found = {}
    for name, address, error in _faults(root):
        if missing := _missing(error):
            found[name] = f"DVC's remote {name}, {address}: {missing}"
    return found


def remotes_failing(root: Path) -> dict[str, str]:
    """Name the remotes that this machine could use, and that do not answer.

    Returns:
        Name -> why.
    """
    faults = _faults(root)
    return {name: f"DVC's remote {name}, {address}: {error}" for name, address, error in faults if not _missing(error)}


def _faults(root: Path) -> Iterator[tuple[str, str, Exception]]:
    with dvc_repository(root) as repository:
        for name, settings in sorted(repository.config.get("remote", {}).items() if repository else ()):
            try:
                store = repository.cloud.get_remote_odb(name)
                store.fs.exists(store.path)
            except Exception as error:  # each file system has errors of its own
                yield name, hide_passwords(str(settings.get("url", ""))), error


def _missing(error: Exception) -> str:
    """Say what this machine lacks to use a remote; "": nothing."""
    from dvc.fs import RemoteMissingDepsError

    if isinstance(error, RemoteMissingDepsError):
        return f"`pip install 'dvc[{error.protocol}]'` lets this machine use it"
    if isinstance(error, ImportError):  # of a file system that is a package of its own, such as dvc-s3
        return str(error)
    if type(error).__name__ == "NoCredentialsError":  # of botocore, which need not be installed
        return "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY let this machine use it"
    return ""

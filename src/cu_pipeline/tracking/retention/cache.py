"""Contents in DVC's cache that no version of the data names."""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from cu_pipeline.tracking import snapshots
from cu_pipeline.tracking.facts import ask_git
from cu_pipeline.tracking.mlflow_run import DATA, HIDDEN
from cu_pipeline.tracking.retention.project import Project, Removable, size_of
from cu_pipeline.tracking.retention.runs import kept_runs

_logger = logging.getLogger(__name__)
_HASH: Final = re.compile(r"[0-9a-f]{32}(\.dir)?")
_NAMED: Final = re.compile(r"md5: ([0-9a-f]{32}(?:\.dir)?)\b")
_FOLDER: Final = ".dir"
_EVERYTHING: Final = ("--all", "--reflog", "--raw", "--no-abbrev", "--format=", "-m")
"""Options of `git log`; all stashes but the last are in the log of references only."""


def cache(project: Project) -> Iterator[Removable]:
    """Contents that neither git's commits, nor the working folder, a snapshot or a kept MLflow run name.

    `dvc gc` does not know the latter two: it would remove the tables that `kedro snapshots diff` compares. What was
    pushed to a remote stays there.
    """
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo(str(project.root)) as repo, repo.lock:
            unused = _unused(repo, project)
    except NotDvcRepoError:
        return
    except DvcException as error:  # such as a commit with a dvc.yaml that cannot be read
        _logger.warning("DVC's cache is kept: %s", error)
        return
    for path in unused:
        if path.is_file() and project.is_old(path):
            yield Removable(project.name(path), size_of([path]), partial(_unlink, path))


def _unused(repo: Any, project: Project) -> list[Path]:
    """List the files of the cache that nothing names, folders' lists before their contents."""
    from dvc.scm import Git

    local = repo.cache.local
    if not Path(local.path).is_relative_to(project.root):
        _logger.warning("DVC's cache %s is kept: other projects may use it. `dvc gc --projects` knows them", local.path)
        return []
    committed = _committed(project.root) if isinstance(repo.scm, Git) else set()
    if committed is None:
        _logger.warning("DVC's cache is kept: git does not tell what its commits name. `git status` says why")
        return []
    used = _present(repo) | committed | _recorded(project)
    listings = [Path(local.oid_to_path(name)) for name in used if name.endswith(_FOLDER)]
    used = used.union(*map(_contents, listings))
    unused = sorted(set(local.all()) - used, key=lambda name: (not name.endswith(_FOLDER), name))
    return [Path(local.oid_to_path(name)) for name in unused]


def _present(repo: Any) -> set[str]:
    """What the working folder names, by DVC's hash."""
    logging.getLogger("dvc").setLevel(logging.ERROR)  # it warns of each output that was not made yet
    return {info.value for infos in repo.used_objs().values() for info in infos if info.value}


def _committed(root: Path) -> set[str] | None:
    """What git's commits name, on any branch, tag or stash, or left behind by a reset; None where git does not tell.

    DVC would read the pipeline of every commit, which takes minutes for a few hundred; DVC's files alone have few
    versions.
    """
    changes = ask_git(root, "-c", "log.showRoot=true", "log", *_EVERYTHING, "--", "dvc.lock", "*.dvc")
    if changes is None:
        return None
    blobs = {blob for line in changes.splitlines() for blob in line.split()[3:4] if blob.strip("0")}
    texts = [ask_git(root, "cat-file", "blob", blob) for blob in blobs]
    return None if None in texts else {found[1] for text in texts for found in _NAMED.finditer(text or "")}


def _recorded(project: Project) -> set[str]:
    """What snapshots and the tags of kept MLflow runs name."""
    tables = {md5 for one in snapshots.read(project.root) for md5 in one.tables.values()}
    tags = [tag for run in kept_runs(project) for tag in run.data.tags.items()]
    named = {value for name, value in tags if name.removeprefix(HIDDEN).startswith(DATA)}
    return tables | {value for value in named if _HASH.fullmatch(value)}


def _contents(folder: Path) -> Iterable[str]:
    with suppress(OSError, ValueError):
        return [entry["md5"] for entry in json.loads(folder.read_bytes())]
    return []


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    with suppress(OSError):
        path.parent.rmdir()

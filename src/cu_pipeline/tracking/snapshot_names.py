"""How people name a version of the data: an id or its beginning, `latest`, `latest~2`, or a git revision."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import SnapshotError
from cu_pipeline.tracking.snapshot import Snapshot, locked_tables

_LATEST: Final = re.compile(r"latest(?:~(\d+))?")
_SHORTEST: Final = 4
_LIST: Final = "`kedro snapshots` lists them"


def resolve(name: str, known: Sequence[Snapshot], root: Path, paths: Mapping[str, str]) -> Snapshot:
    """Give the snapshot that a name means.

    Args:
        name: `latest`, `latest~N`, the beginning of an id, or a git revision whose `dvc.lock` is committed.
        known: snapshots, oldest first.
        root: the project's folder.
        paths: dataset -> path of each table.

    Raises:
        SnapshotError: there is none of that name, or several begin so.
    """
    if match := _LATEST.fullmatch(name):
        return _latest(int(match[1] or 0), known)
    found = {snapshot.id: snapshot for snapshot in known if len(name) >= _SHORTEST and snapshot.id.startswith(name)}
    if len(found) > 1:
        raise SnapshotError(f"{name!r} may mean {' or '.join(sorted(found))}: give more of the id")
    if found:
        return next(iter(found.values()))
    return _committed(name, root, paths)


def _latest(back: int, known: Sequence[Snapshot]) -> Snapshot:
    if back < len(known):
        return known[-1 - back]
    name = f"latest~{back}" if back else "latest"
    if not known:
        raise SnapshotError(f"{name!r}: there is no snapshot yet. `kedro run` records one when it has changed the data")
    raise SnapshotError(f"{name!r}: there are only {len(known)} snapshots, {_LIST}. Oldest: 'latest~{len(known) - 1}'")


def _committed(revision: str, root: Path, paths: Mapping[str, str]) -> Snapshot:
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        allowed = "Allowed: the beginning of an id, latest, latest~N, or a git revision"
        raise SnapshotError(f"no snapshot or git revision is named {revision!r}: {_LIST}. {allowed}")
    locked = _git(root, "show", f"{commit.strip()}:./dvc.lock")
    tables = locked_tables(locked, paths) if locked is not None else {}
    if not tables:
        lacking = "has no dvc.lock" if locked is None else "has no clips in its dvc.lock"
        raise SnapshotError(f"git revision {revision!r} {lacking}: name one that was committed after a run")
    return Snapshot(tables, git=commit.strip())


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout

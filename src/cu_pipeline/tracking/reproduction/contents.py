"""Contents of files by DVC's hash: kept for runs that may be repeated, and brought back out of cache or remote."""

import json
import logging
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from cu_pipeline.tracking import dvc_lock, yaml_files

_FOLDER: Final = ".dir"
_logger = logging.getLogger(__name__)


def keep(root: Path, contents: Mapping[str, str]) -> None:
    """Put contents that a run is about to replace into DVC's cache, where `dvc commit` has not put them.

    Without DVC nothing is kept.

    Args:
        root: the project's folder.
        contents: path -> DVC's hash of what lies there.
    """
    lock = root / "dvc.lock"
    committed = dvc_lock.outs(yaml_files.read_text(lock)) if lock.is_file() else {}
    left = {path: md5 for path, md5 in contents.items() if committed.get(path) != md5}
    if not left:
        return
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            for path in left:
                _add(repo.cache.local, root / path)
    except NotDvcRepoError:
        return
    except (DvcException, OSError) as error:
        _logger.warning("what this run replaces is not kept, so `kedro reproduce` will lack it: %s", error)


def _add(cache: Any, path: Path) -> None:
    from dvc.fs import LocalFileSystem
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.transfer import transfer

    staging, _, found = build(cache, str(path), LocalFileSystem(), "md5")
    transfer(staging, cache, {found.hash_info}, shallow=False)


def bring(root: Path, target: Path, contents: Mapping[str, str]) -> dict[str, str]:
    """Copy contents out of DVC's cache to their places in another folder; what it lacks is fetched from the remote.

    Args:
        root: the project's folder, whose cache it is.
        target: the folder that the paths start from.
        contents: path -> DVC's hash.

    Returns:
        path -> hash of what is neither in the cache nor in the remote.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        repo = Repo(str(root))
    except NotDvcRepoError:
        return dict(contents)
    with repo:
        cache = repo.cache.local
        absent = {md5 for md5 in contents.values() if not _is_complete(cache, md5)}
        if absent:
            _pull(repo, absent)
        missing = {path: md5 for path, md5 in contents.items() if md5 in absent and not _is_complete(cache, md5)}
        for path, md5 in contents.items():
            if path not in missing:
                _copy(cache, md5, target / path)
    return missing


def _pull(repo: Any, hashes: Iterable[str]) -> None:
    from dvc_data.hashfile.hash_info import HashInfo

    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    for one in sorted(hashes):  # each alone: one that is gone would keep others back
        with suppress(Exception):  # what did not come is told by what is still absent
            repo.cloud.pull([HashInfo("md5", one)])
            if one.endswith(_FOLDER):  # of which only the list has come
                repo.cloud.pull([HashInfo("md5", md5) for md5 in set(_files(repo.cache.local, one).values())])


def _files(cache: Any, md5: str) -> dict[str, str]:
    """List the files of a folder, relative path -> hash; of a file itself, under the path "".

    Raises:
        OSError: the list is not in the cache.
        ValueError: it is damaged.
    """
    if not md5.endswith(_FOLDER):
        return {"": md5}
    entries = json.loads(_place(cache, md5).read_bytes())
    return {entry["relpath"]: entry["md5"] for entry in entries}


def _is_complete(cache: Any, md5: str) -> bool:
    try:
        return all(_place(cache, one).is_file() for one in _files(cache, md5).values())
    except (OSError, ValueError):
        return False


def _copy(cache: Any, md5: str, target: Path) -> None:
    if md5.endswith(_FOLDER):
        target.mkdir(parents=True, exist_ok=True)
    for name, one in _files(cache, md5).items():
        place = target / name if name else target
        place.parent.mkdir(parents=True, exist_ok=True)
        _clone(_place(cache, one), place)


def _clone(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can: it may be written to, and the cache stays."""
    from dvc_objects.fs.system import reflink

    try:
        reflink(str(source), str(target))  # type: ignore[no-untyped-call]
    except (OSError, NotImplementedError):
        shutil.copyfile(source, target)


def _place(cache: Any, md5: str) -> Path:
    return Path(cache.oid_to_path(md5))

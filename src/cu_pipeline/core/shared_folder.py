"""Folders on a shared place: versions of a few paths, each seen whole or not at all, and files that only come."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cu_pipeline.core.atomic import atomic_path, replace_folder, temporary_beside, write_text
from cu_pipeline.core.errors import PlaceError
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.core.shelf_manifests import Entry

FILES: Final = "files"
VERSIONS: Final = "versions"
_TOGETHER: Final = 64


def publish_version(address: str, root: Path, paths: Iterable[str]) -> int:
    """Publish files and folders as the newest version; files of which an earlier version has the bytes are not sent.

    Args:
        address: of the shared folder.
        root: folder that the paths start from.
        paths: of files and folders; those that are not there are left out.

    Returns:
        The files that were sent; 0 also where the newest version is the same.

    Raises:
        PlaceError: the place cannot be used.
    """
    shelf = Shelf(address)
    there = [path for path in paths if (root / path).exists()]
    files = {file.relative_to(root).as_posix(): file for path in there for file in _files(root / path)}
    entries = {path: Entry.of(file, "") for path, file in files.items()}
    entries = {path: Entry(f"{FILES}/{one.sha256}", one.size, one.sha256) for path, one in entries.items()}
    text = version_text(there, entries)
    known = shelf.entries()
    if (newest := _newest(known)) and newest.facts["content"] == text_sha256(text):
        return 0
    lacking = {one.name: (files[path], one) for path, one in entries.items() if one.name not in known}
    version = temporary_beside(root / "version")
    try:
        write_text(version, text)
        name = f"{VERSIONS}/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{text_sha256(text)[:16]}.json"
        shelf.publish([*lacking.values(), (version, Entry.of(version, name, content=text_sha256(text)))])
    finally:
        version.unlink(missing_ok=True)
    return len(lacking)


def fetch_version(address: str, root: Path) -> list[str]:
    """Put the newest version's files and folders in the place of those that are here, each at once.

    Args:
        address: of the shared folder.
        root: folder that the paths start from.

    Returns:
        The paths that were fetched.

    Raises:
        PlaceError: there is no version, or the place cannot be used; then all that is here stays.
    """
    shelf = Shelf(address)
    newest = _newest(shelf.entries())
    if newest is None:
        raise PlaceError(f"{address} has nothing that was published: run `kedro stores push` where it is")
    fresh = temporary_beside(root / "fetched")
    try:
        fresh.mkdir(parents=True)
        shelf.fetch(newest, fresh / ".version")
        version = json.loads((fresh / ".version").read_text(encoding="utf-8"))
        for path, entry in version["files"].items():
            target = _inside(fresh, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shelf.fetch(Entry(**entry), target)
        for path in version["paths"]:
            _inside(fresh, path).parent.mkdir(parents=True, exist_ok=True)
            _take_place(_inside(fresh, path), _inside(root, path))
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    paths: list[str] = version["paths"]
    return paths


def publish_files(address: str, folder: Path, pattern: str) -> int:
    """Send the files that the place lacks; a name stands for one content for ever.

    Args:
        address: of the shared folder.
        folder: of the files.
        pattern: of their paths in it, as in `Path.glob`.

    Returns:
        The files that were sent.

    Raises:
        PlaceError: the place cannot be used; what was sent before stays, and is not sent again.
    """
    shelf = Shelf(address)
    known = shelf.entries()
    names = {f"{FILES}/{file.relative_to(folder).as_posix()}": file for file in sorted(folder.glob(pattern))}
    lacking = [(file, name) for name, file in names.items() if file.is_file() and name not in known]
    for start in range(0, len(lacking), _TOGETHER):
        shelf.publish([(file, Entry.of(file, name)) for file, name in lacking[start : start + _TOGETHER]])
    return len(lacking)


def fetch_files(address: str, folder: Path) -> int:
    """Fetch the files that are not here yet, and give how many those were.

    Raises:
        PlaceError: the place cannot be used; what was fetched before stays.
    """
    shelf = Shelf(address)
    targets = {_inside(folder, name.removeprefix(f"{FILES}/")): one for name, one in shelf.entries().items()}
    lacking = {target: entry for target, entry in targets.items() if not target.exists()}
    for target, entry in lacking.items():
        with atomic_path(target) as temporary:
            shelf.fetch(entry, temporary)
    return len(lacking)


def version_text(paths: Iterable[str], files: Mapping[str, Entry]) -> str:
    """What stands in the file of a version: what it is made of, and each file by its path."""
    told = {"paths": list(paths), "files": {path: asdict(one) for path, one in files.items()}}
    return json.dumps(told, sort_keys=True)


def _newest(entries: dict[str, Entry]) -> Entry | None:
    return max((one for one in entries.values() if one.name.startswith(f"{VERSIONS}/")), key=_name, default=None)


def _name(entry: Entry) -> str:
    return entry.name


def _files(path: Path) -> list[Path]:
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in found if file.is_file() and not file.name.startswith(".")]


def _inside(folder: Path, path: Any) -> Path:
    """Find a path in a folder, and refuse one that leads out of it.

    Raises:
        PlaceError: it does.
    """
    target = folder / str(path)
    if ".." in target.parts or not target.is_relative_to(folder):
        raise PlaceError(f"what was published names the path {path!r}, which leads out of the folder")
    return target


def _take_place(new: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if new.is_file():
        with atomic_path(target) as temporary:
            shutil.copyfile(new, temporary)
        return
    new.mkdir(exist_ok=True)  # of an empty folder no file came
    if not replace_folder(new, target):
        shutil.rmtree(target)
        new.rename(target)

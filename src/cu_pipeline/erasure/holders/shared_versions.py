"""Champions and reports on a shared place: all versions of them, also those that nobody fetches any more."""

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from cu_pipeline.core.errors import BundleError, PlaceError
from cu_pipeline.core.shared_folder import FILES
from cu_pipeline.core.shared_versions import Version, exchange, versions
from cu_pipeline.core.shelf import Shelf
from cu_pipeline.core.shelf_manifests import Entry
from cu_pipeline.erasure.holders.bundles import told_of, without
from cu_pipeline.erasure.holders.documents import is_ledger
from cu_pipeline.erasure.holders.dvc_store import holds
from cu_pipeline.erasure.holders.shelf_strays import find_strays
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import rewritten
from cu_pipeline.erasure.shared import VERSIONED, shelf_of
from cu_pipeline.models.bundle import CONFIG, Bundle

Changes = dict[str, bytes | None]
"""Path -> its new content; None: it goes."""


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Versions that tell of an erased clip, then the contents that only they had, then what killed writers left."""
    for name in VERSIONED:
        shelf = shelf_of(project, name)
        if shelf is None:
            continue
        former: dict[str, int] = {}
        contents = _Contents(shelf)
        for version in versions(shelf):
            if changes := _changes(project, wanted, contents, version):
                entries = [version.files[path] for path in changes]
                former |= {entry.name: entry.size for entry in entries}
                size = sum(entry.size for entry in entries)
                yield Place(f"{shelf.address}/{version.entry.name}", len(changes), size, "rewritten",
                            partial(_rewrite, project, wanted, shelf, version))  # fmt: skip
        for content, size in sorted(former.items()):
            yield Place(f"{shelf.address}/{content}", 1, size, "removed", partial(shelf.remove, [content]))
        if former or any(entry.sha256 in wanted.identities.media for entry in shelf.told()):
            yield Place(f"{shelf.address}: manifests", len(former), 0, "rewritten", shelf.tidy)
        yield from _unversioned(shelf, wanted, former)
        yield from find_strays(shelf, wanted)


def _unversioned(shelf: Shelf, wanted: Wanted, former: Mapping[str, int]) -> Iterator[Place]:
    """Contents that no version has, as an erasure was interrupted before they went."""
    used = {entry.name for version in versions(shelf) for entry in version.files.values()}
    for name, entry in sorted(shelf.entries().items()):
        if name.startswith(f"{FILES}/") and name not in used and name not in former:
            content = shelf.read(name)
            if content is not None and holds(content, wanted.identities):
                yield Place(f"{shelf.address}/{name}", 1, entry.size, "removed", partial(shelf.remove, [name]))


class _Contents:
    """Reads contents, and remembers of which it is known that they tell nothing."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.clean: set[tuple[str, str]] = set()

    def read(self, entry: Entry) -> bytes:
        content = self._shelf.read(entry.name)
        if content is None:
            raise PlaceError(
                f"{self._shelf.address}/{entry.name} is absent, and a version that names it cannot be fetched. Publish "
                "once more with `kedro stores push`, and remove that version"
            )
        return content


def _changes(project: Project, wanted: Wanted, contents: _Contents, version: Version) -> Changes:
    bundles = {PurePosixPath(path).parent for path in version.files if PurePosixPath(path).name == CONFIG}
    changes: Changes = {}
    for path, entry in version.files.items():
        place = PurePosixPath(path)
        if entry.sha256 in wanted.identities.media or wanted.identities.touched([place.name]):
            changes[path] = None
        elif place.parent not in bundles and (entry.name, path) not in contents.clean:
            pseudonyms = wanted.pseudonyms if is_ledger(project, project.root / path) else None
            done = rewritten(contents.read(entry), place.suffix, wanted.identities, pseudonyms)
            if done.count:
                changes[path] = done.content
            else:
                contents.clean.add((entry.name, path))
    for folder in sorted(bundles):
        changes |= _bundle(wanted, contents, folder, version)
    return changes


def _bundle(wanted: Wanted, contents: _Contents, folder: PurePosixPath, version: Version) -> Changes:
    files = {path: entry for path, entry in version.files.items() if PurePosixPath(path).parent == folder}
    if all((entry.name, path) in contents.clean for path, entry in files.items()):
        return {}
    with tempfile.TemporaryDirectory(prefix="cu-pipeline-") as here:
        for path, entry in files.items():
            Path(here, PurePosixPath(path).name).write_bytes(contents.read(entry))
        try:
            bundle = Bundle.load(Path(here))
        except BundleError:  # nobody can use it, so what tells of somebody goes
            return _damaged(wanted, contents, files)
        if not told_of(bundle, wanted.identities):
            contents.clean |= {(entry.name, path) for path, entry in files.items()}
            return {}
        before = {path: Path(here, PurePosixPath(path).name).read_bytes() for path in files}
        without(bundle, wanted.identities).save(Path(here))
        after = {path: Path(here, PurePosixPath(path).name) for path in files}
        return {
            path: file.read_bytes() if file.is_file() else None
            for path, file in after.items()
            if not file.is_file() or file.read_bytes() != before[path]
        }


def _damaged(wanted: Wanted, contents: _Contents, files: Mapping[str, Entry]) -> Changes:
    found: Changes = {}
    for path, entry in files.items():
        if rewritten(contents.read(entry), PurePosixPath(path).suffix, wanted.identities, None).count:
            found[path] = None
    return found


def _rewrite(project: Project, wanted: Wanted, shelf: Shelf, version: Version) -> None:
    """Read it once more: what was found is not held in memory for all versions."""
    exchange(shelf, version, _changes(project, wanted, _Contents(shelf), version))

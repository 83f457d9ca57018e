"""DVC's cache and remotes: contents of any version of the data that tell of an erased clip, removed as a whole.

History is not written anew: a content that changes has another hash. So what a run read or wrote is gone, and the runs
that can no longer be repeated are named.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from cu_pipeline.erasure.dvc_remotes import dvc_repository
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.rewriting import PARQUET, SQLITE, count_in, rewritten

_FOLDER = ".dir"


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Contents of the cache and of each remote that hold an erased clip, and lists of folders that name such a one."""
    for name, store in _stores(project):
        for oid, size in sorted(_holding(store, wanted.identities).items()):
            yield Place(f"{name}: {oid}", 1, size, "removed", partial(_remove, store, oid))


def contents(project: Project, wanted: Wanted) -> set[str]:
    """DVC's hashes of the contents that go."""
    return {oid for _, store in _stores(project) for oid in _holding(store, wanted.identities)}


def all_contents(project: Project) -> Iterator[tuple[str, bytes]]:
    """List all that the cache and the remotes hold."""
    for name, store in _stores(project):
        for oid, path in _listed(store):
            if (content := _read(store, path)) is not None:
                yield f"{name}: {oid}", content


def _stores(project: Project) -> Iterator[tuple[str, Any]]:
    with dvc_repository(project.root) as repository:
        if repository is None:
            return
        yield "DVC's cache", repository.cache.local
        for name in sorted(set(repository.config.get("remote", {})) - set(project.remotes_apart)):
            yield f"DVC's remote {name}", repository.cloud.get_remote_odb(name)


def _holding(store: Any, wanted: Identities) -> dict[str, int]:
    """The contents that hold what is to be erased, and folders with one of them, by hash, with their sizes."""
    sizes, folders = {}, {}
    for oid, path in _listed(store):
        content = _read(store, path)
        if content is None:
            continue
        if oid.endswith(_FOLDER):
            folders[oid] = content
        elif holds(content, wanted):
            sizes[oid] = len(content)
    for oid, content in folders.items():
        with suppress(ValueError, TypeError, KeyError):
            entries = json.loads(content)
            if wanted.touched(entry["relpath"] for entry in entries) or any(entry["md5"] in sizes for entry in entries):
                sizes[oid] = len(content)
    return sizes


def _listed(store: Any) -> Iterator[tuple[str, str]]:
    if store.fs.exists(store.path):
        for path in store.fs.find(store.path):
            with suppress(ValueError):
                yield store.path_to_oid(path), path


def _read(store: Any, path: str) -> bytes | None:
    try:
        with store.fs.open(path, "rb") as stream:
            content: bytes = stream.read()
    except FileNotFoundError:
        return None
    return content


def holds(content: bytes, wanted: Identities) -> bool:
    """Whether a content without a name tells of what is to be erased."""
    if content.startswith(PARQUET):
        table = rewritten(content, ".parquet", wanted, None)
        return table.count > 0 or _has_keys(content, wanted)
    if content.startswith(SQLITE):
        return bool(list(wanted.needles.find(content, whole=False)))
    if content[:1] in {b"{", b"["}:
        whole = rewritten(content, ".json", wanted, None)
        return whole.count > 0 or rewritten(content, ".jsonl", wanted, None).count > 0
    if hashlib.sha256(content).hexdigest() in wanted.media:
        return True
    return count_in(content, wanted, pages=True) > 0


def _has_keys(content: bytes, wanted: Identities) -> bool:
    """Whether a table has a value in its footer, such as the least and greatest of a column."""
    return count_in(content[-65536:], wanted) > 0


def _remove(store: Any, oid: str) -> None:
    path = store.oid_to_path(oid)
    local = Path(path)
    if local.is_file():  # DVC protects what it keeps
        local.chmod(0o644)
    with suppress(FileNotFoundError):
        store.fs.remove(path)

"""The service's captures: requests with their media, in the store's own way."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.ingest.capture_index import INDEX
from cu_pipeline.ingest.capture_store import Captured, CaptureStore


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Requests that were kept and are about erased clips."""
    for folder in sorted({path.parent for path in project.stored() if path.name == INDEX}):
        found = [one for one in CaptureStore(folder).entries() if _about(one, wanted.identities)]
        if found:
            size = sum(one.bytes for one in found)
            names = [one.request_id for one in found]
            yield Place(
                f"{project.name(folder)}: requests", len(found), size, "removed", partial(_forget, folder, names)
            )


def _about(one: Captured, wanted: Identities) -> bool:
    ids = {one.clip_id, one.facts.get("clip_id", "")} - {""}
    known = {one.media_sha256, one.content, one.request_id}
    return bool(
        ids & wanted.clips or one.facts.get("creator", "") in wanted.creators or known & (wanted.media | wanted.others)
    )


def _forget(folder: Path, names: list[str]) -> None:
    store = CaptureStore(folder)
    for name in names:
        store.forget(name)

"""Media on a shared place, by their content and name."""

from collections.abc import Iterator
from functools import partial

from cu_pipeline.core.shelf_manifests import Entry
from cu_pipeline.erasure.holders.shelf_strays import find_strays
from cu_pipeline.erasure.identities import Identities
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.shared import shelf_of


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Copies of an erased clip's media, and manifests that name such."""
    shelf = shelf_of(project, "media")
    if shelf is None:
        return
    told = [entry for entry in shelf.told() if _theirs(entry, wanted.identities)]
    there = shelf.entries()
    for entry in told:
        if entry.name in there:
            what = f"{shelf.address}/{entry.name}"
            yield Place(what, 1, entry.size, "removed", partial(shelf.remove, [entry.name]))
    if told:
        yield Place(f"{shelf.address}: manifests", len(told), 0, "rewritten", shelf.tidy)
    yield from find_strays(shelf, wanted)


def _theirs(entry: Entry, wanted: Identities) -> bool:
    name = entry.name.rpartition("/")[2]
    return entry.sha256 in wanted.media or bool(wanted.touched([name]))

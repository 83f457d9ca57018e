"""Features on a shared place: rows, and manifests, which name the keys of all rows."""

from collections.abc import Iterator
from functools import partial

from cu_pipeline.erasure.holders.shelf_strays import find_strays
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.erasure.shared import features_of
from cu_pipeline.features.store import shorten_shared_part


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Parts with a feature of an erased clip, manifests that tell of such parts, and what killed writers left."""
    parts = features_of(project)
    if parts is None:
        return
    gone = wanted.identities.media | wanted.identities.texts
    for place in parts.features():
        shelf = parts.shelf(*place)
        told = [entry for entry in shelf.told() if gone & set(entry.facts.get("keys", ()))]
        for part in parts.parts(*place):
            if count := len(gone & set(part.keys)):
                kept = set(part.keys) - gone
                yield Place(str(part), count, part.entry.size, "rewritten",
                            partial(shorten_shared_part, parts, part, kept))  # fmt: skip
        if told:
            yield Place(f"{shelf.address}: manifests", len(told), 0, "rewritten", shelf.tidy)
        yield from find_strays(shelf, wanted)

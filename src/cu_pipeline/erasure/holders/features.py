"""Feature stores: rows whose key is the hash of an erased content."""

from collections.abc import Iterator
from functools import partial

from cu_pipeline.core.errors import StoreError
from cu_pipeline.erasure.project import Place, Project, Wanted
from cu_pipeline.features.store import part_keys, shorten_part


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """Parts of any feature store that hold a feature of an erased clip."""
    gone = wanted.identities.media | wanted.identities.texts
    for path in project.stored():
        if not (path.name.startswith("part-") and (path.parent / "extractor.json").is_file()):
            continue
        try:
            keys = part_keys(path)
        except StoreError:  # the next run tells of it; nobody reads what it holds
            yield Place(project.name(path), 1, path.stat().st_size, "removed", partial(path.unlink, missing_ok=True))
            continue
        if count := sum(key in gone for key in keys):
            kept = {key for key in keys if key not in gone}
            yield Place(project.name(path), count, path.stat().st_size, "rewritten", partial(shorten_part, path, kept))

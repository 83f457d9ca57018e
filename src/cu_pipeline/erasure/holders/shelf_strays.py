"""Files of a shared place that do not count, as a killed writer left them: who asks the place for them gets them."""

from collections.abc import Iterator
from functools import partial

from cu_pipeline.core.shelf import Shelf
from cu_pipeline.erasure.holders.dvc_store import holds
from cu_pipeline.erasure.project import Place, Wanted


def find_strays(shelf: Shelf, wanted: Wanted) -> Iterator[Place]:
    """Those that tell of an erased clip."""
    for name, about in sorted(shelf.strays().items()):
        content = shelf.read(name)
        named = bool(wanted.identities.touched([name.rpartition("/")[2]]))
        if content is not None and (named or holds(content, wanted.identities)):
            yield Place(f"{shelf.address}/{name}", 1, about.size, "removed", partial(shelf.remove, [name]))

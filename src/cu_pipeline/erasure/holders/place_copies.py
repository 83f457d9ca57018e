"""This machine's copies of what is on shared places: a cache, which goes as a whole."""

import shutil
from collections.abc import Iterator
from functools import partial

from cu_pipeline.core.place_cache import FOLDER
from cu_pipeline.erasure.holders.dvc_store import holds
from cu_pipeline.erasure.project import Place, Project, Wanted


def find(project: Project, wanted: Wanted) -> Iterator[Place]:
    """The folder of copies, where one of them tells of an erased clip."""
    copies = project.copies()
    if any(holds(path.read_bytes(), wanted.identities) for path in copies):
        size = sum(path.stat().st_size for path in copies)
        yield Place(FOLDER, len(copies), size, "removed", partial(shutil.rmtree, project.root / FOLDER))

"""Copies of media, and lists of unpacked containers, that the feed no longer names."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from cu_pipeline.core.paths import from_stored
from cu_pipeline.ingest.fetching import FetchLog
from cu_pipeline.ingest.media_store import EXTRACTED, FOLDER
from cu_pipeline.tracking.retention.project import Project, Removable, size_of


def media(project: Project) -> Iterator[Removable]:
    """Files of the media store that no row of the feed stands for; they would be fetched or unpacked again.

    A container whose media are partly used stays whole, since it is unpacked as a whole.
    """
    used = _named(project)
    if used is None:
        return
    lists = {path: _listed(path) for path in sorted(from_stored(str(EXTRACTED)).glob("*.parquet"))}
    kept = {listing for listing, paths in lists.items() if paths & used or not paths}
    used = used.union(*(lists[listing] for listing in kept))
    unused = [path for path in lists if path not in kept]
    copies = sorted(from_stored(str(FOLDER)).glob("[0-9a-f][0-9a-f]/*"))
    unused += [path for path in copies if path.is_file() and path not in used]
    for path in unused:
        if project.is_old(path):
            what = project.name(path)
            yield Removable(what, size_of([path]), partial(path.unlink, missing_ok=True))


def _named(project: Project) -> set[Path] | None:
    """The files that the feed's rows and the clips mean, by their path or address; None where there is no feed yet."""
    rows, clips = project.table("raw_manifest", ["path"]), project.table("clips", ["path"])
    if rows is None or clips is None:
        return None
    given = {str(path) for path in [*rows["path"], *clips["path"]] if path}
    fetched = FetchLog(project.place("fetched")).read()
    return _places(given) | _places(fetched[address].path for address in given & fetched.keys())


def _listed(listing: Path) -> set[Path]:
    return _places(pd.read_parquet(listing, columns=["path"])["path"])


def _places(stored: Iterable[str]) -> set[Path]:
    return {from_stored(path) for path in stored if path}

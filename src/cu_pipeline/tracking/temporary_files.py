import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from cu_pipeline.core.atomic import remove_strays
from cu_pipeline.tracking.catalog_files import CatalogFile

_logger = logging.getLogger(__name__)


def tidy(root: Path, files: Iterable[CatalogFile]) -> None:
    """Remove the temporary files that a killed run left beside the files it wrote.

    Args:
        root: the project's folder.
        files: of the catalog.
    """
    removed = sum(map(remove_strays, sorted(set(_folders(root, files)))))
    if removed:
        _logger.info("removed %d unfinished files of a run that was killed", removed)


def _folders(root: Path, files: Iterable[CatalogFile]) -> Iterator[Path]:
    yield root
    yield root / "data"
    for file in files:
        if "://" in file.path:
            continue
        place = root / file.path
        yield place.parent
        if file.tracked and place.is_dir():
            yield from (inner for inner in [place, *place.rglob("*")] if inner.is_dir())

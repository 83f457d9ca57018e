"""Unfinished files, old days of the prediction log, and pictures of clips that are gone."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path

from cu_pipeline.core.addresses import is_address
from cu_pipeline.core.atomic import remove_abandoned, strays
from cu_pipeline.inference.prediction_log.day_files import outdated
from cu_pipeline.inference.prediction_log.place import Place, shared_or
from cu_pipeline.inference.prediction_log.purging import count_before, purge_before
from cu_pipeline.ingest.media_store import unfinished
from cu_pipeline.tracking.catalog_files import folders
from cu_pipeline.tracking.retention.project import Project, Removable, size_of


def unfinished_files(project: Project) -> Iterator[Removable]:
    """What killed processes left unfinished, beside the files of the catalog and in the stores of media and Bentos."""
    beside = {*folders(project.root, project.files.values()), *(project.bento_store / "bentos").glob("*")}
    for path in (stray for folder in sorted(beside) for stray in strays(folder)):
        yield Removable(project.name(path), size_of([path]), partial(remove_abandoned, path))
    yield from (_file(project, path) for path in unfinished())


def prediction_logs(project: Project) -> Iterator[Removable]:
    """Days of the service's log before those that are kept: files of earlier versions, and records."""
    first = project.now.date() - timedelta(days=project.options.prediction_log_days)
    for path in outdated(project.place("prediction_log"), first):
        yield _file(project, path)
    place = shared_or(project.place("prediction_log"))
    before = datetime.combine(first, time(), UTC)
    if rows := count_before(place, before):
        name = Place.of(place).shown if is_address(place) else project.name(Path(place))
        yield Removable(f"old records of {name}: {rows:,}", 0, partial(purge_before, place, before))


def thumbnails(project: Project) -> Iterator[Removable]:
    """Pictures of clips that are no longer in the feed."""
    clips = project.table("clips", ["media_sha256"])
    used = set() if clips is None else set(clips["media_sha256"])
    for path in sorted(project.place("thumbnails").glob("*-*.jpg")) if used else []:
        if path.name.partition("-")[0] not in used and project.is_old(path):
            yield _file(project, path)


def _file(project: Project, path: Path) -> Removable:
    return Removable(project.name(path), size_of([path]), partial(path.unlink, missing_ok=True))

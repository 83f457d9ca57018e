"""All kinds of what `kedro gc` may remove."""

from collections.abc import Callable, Iterator
from typing import Final

from cu_pipeline.tracking.retention.bentos import bentos
from cu_pipeline.tracking.retention.cache import cache
from cu_pipeline.tracking.retention.features import features
from cu_pipeline.tracking.retention.files import prediction_logs, thumbnails, unfinished_files
from cu_pipeline.tracking.retention.media import media
from cu_pipeline.tracking.retention.project import Project, Removable
from cu_pipeline.tracking.retention.runs import deleted_runs, runs
from cu_pipeline.tracking.retention.shared_features import shared_features, unpublished_parts

KINDS: Final[dict[str, Callable[[Project], Iterator[Removable]]]] = {
    "Bentos": bentos,
    "fetched and unpacked media": media,
    "thumbnails": thumbnails,
    "unfinished files": unfinished_files,
    "MLflow runs": runs,
    "MLflow runs that were deleted": deleted_runs,
    "stored features": features,
    "features on a shared place": shared_features,
    "unfinished files on a shared place": unpublished_parts,
    "contents of DVC's cache": cache,
    "days of the prediction log": prediction_logs,
}
"""By what people call it, in the order of removal. A new kind is a new function and a line here.

Plain files go first: on a full disk a database lets nothing go. What runs and their models name goes after these.
"""

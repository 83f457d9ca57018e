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
    "MLflow runs": runs,
    "MLflow runs that were deleted": deleted_runs,
    "Bentos": bentos,
    "stored features": features,
    "features on a shared place": shared_features,
    "unfinished files on a shared place": unpublished_parts,
    "fetched and unpacked media": media,
    "days of the prediction log": prediction_logs,
    "thumbnails": thumbnails,
    "unfinished files": unfinished_files,
    "contents of DVC's cache": cache,
}
"""By what people call it, in the order of removal. A new kind is a new function and a line here."""

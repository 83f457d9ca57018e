"""All holders."""

from collections.abc import Callable, Iterator
from typing import Final

from cu_pipeline.erasure.holders import (
    bundles,
    captures,
    databases,
    documents,
    dvc_store,
    features,
    label_studio,
    media,
    mlflow_server,
    people_lines,
    place_copies,
    prediction_log,
    shared_features,
    shared_media,
    shared_versions,
)
from cu_pipeline.erasure.project import Place, Project, Wanted

HOLDERS: Final[dict[str, Callable[[Project, Wanted], Iterator[Place]]]] = {
    "Label Studio": label_studio.find,
    "captures": captures.find,
    "prediction log": prediction_log.find,
    "people's answers in the shared database": people_lines.find,
    "media": media.find,
    "shared media": shared_media.find,
    "stored features": features.find,
    "shared features": shared_features.find,
    "models": bundles.find,
    "shared versions": shared_versions.find,
    "tables, logs and pages": documents.find,
    "MLflow's server": mlflow_server.find,
    "databases": databases.find,
    "versions of the data": dvc_store.find,
    "copies of shared places": place_copies.find,
}
"""By what people call it, in the order of removal. A new one is a file and a line."""

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
    prediction_log,
)
from cu_pipeline.erasure.project import Place, Project, Wanted

HOLDERS: Final[dict[str, Callable[[Project, Wanted], Iterator[Place]]]] = {
    "Label Studio": label_studio.find,
    "captures": captures.find,
    "prediction log": prediction_log.find,
    "media": media.find,
    "stored features": features.find,
    "models": bundles.find,
    "tables, logs and pages": documents.find,
    "MLflow's server": mlflow_server.find,
    "databases": databases.find,
    "versions of the data": dvc_store.find,
}
"""By what people call it, in the order of removal. A new one is a file and a line."""

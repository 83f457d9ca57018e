"""What a process of the service does around its answers: it warms up, logs what it said, and ends what restarts it."""

import logging
import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.core.counters import count
from cu_pipeline.inference.prediction_log import PredictionRecord, append, encode_embedding

if TYPE_CHECKING:
    from cu_pipeline.inference.predictor import Prediction, Predictor


SUPERVISOR = "bentoml"


def stop_supervisor() -> bool:
    """End `bentoml serve` when this process is its worker: it would start a worker that must fail again and again.

    Returns:
        Whether there was one to end.
    """
    import psutil
    from bentoml import server_context

    if server_context.worker_index is None:
        return False
    with suppress(psutil.Error):
        parent = psutil.Process(os.getppid())
        if any(SUPERVISOR in argument for argument in parent.cmdline()):
            parent.send_signal(signal.SIGTERM)
            return True
    return False


_logger = logging.getLogger("bentoml.cu_pipeline")


def record(request_id: str, prediction: "Prediction") -> PredictionRecord:
    """What is kept of an answer: numbers and versions, never the caption's text or the video."""
    return PredictionRecord(
        time=datetime.now(UTC),
        request_id=request_id,
        labels=dict(prediction.labels),
        probabilities=prediction.probabilities,
        versions=dict(prediction.versions),
        embedding=encode_embedding(prediction.embedding),
        parts=prediction.parts,
        facts=_finite(prediction.facts),
    )


def log_prediction(folder: Path, request_id: str, prediction: "Prediction") -> bool:
    """Append an answer to the prediction log; a failure is logged and counted, and never fails the request.

    Returns:
        Whether the record was written.
    """
    try:
        append(folder, record(request_id, prediction))
    except (OSError, ValueError):
        count("prediction_log_failures")
        _logger.exception("request %s was answered but not written to %s", request_id, folder)
        return False
    return True


def _finite(facts: Mapping[str, float | str]) -> dict[str, float | str | None]:
    return {name: None if isinstance(fact, float) and not isfinite(fact) else fact for name, fact in facts.items()}

"""What a process of the service does around its answers: it warms up, logs what it said, and ends what restarts it."""

import os
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cu_pipeline.inference.prediction_log import PredictionRecord, encode_embedding

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


SIDE: Final = 64
FRAMES: Final = 8


def warm_up(predictor: "Predictor", times: int = 1) -> None:
    """Predict a small grey clip, so that no user's request waits for a model to load or a decoder to start.

    Args:
        predictor: to warm.
        times: how often; its decoding processes take turns.

    Raises:
        BadClipError: this installation cannot decode even that; the service must not become ready.
    """
    with tempfile.TemporaryDirectory() as scratch:
        clip = _write_clip(Path(scratch) / "warm_up.mp4")
        for _ in range(times):
            predictor.predict(clip, "warm up")


def _write_clip(target: Path) -> Path:
    import av
    import numpy as np

    picture = np.full((SIDE, SIDE, 3), 128, dtype=np.uint8)
    with av.open(str(target), "w") as container:
        stream = container.add_stream("mpeg4", rate=FRAMES)
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for _ in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    return target


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


def _finite(facts: Mapping[str, float | str]) -> dict[str, float | str | None]:
    return {name: None if isinstance(fact, float) and not isfinite(fact) else fact for name, fact in facts.items()}

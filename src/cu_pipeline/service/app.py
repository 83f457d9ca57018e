import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import bentoml
from bentoml import server_context
from starlette.responses import JSONResponse, Response

from cu_pipeline import __version__
from cu_pipeline.core.errors import BadClipError, CuPipelineError
from cu_pipeline.inference.prediction_log import PredictionLog
from cu_pipeline.service.environment import Settings, max_body_bytes
from cu_pipeline.service.front_page import FrontPage
from cu_pipeline.service.image import service_image
from cu_pipeline.service.lifecycle import record, stop_supervisor
from cu_pipeline.service.refusal import Refusal
from cu_pipeline.service.requests import (
    Classification,
    ClassifyRequest,
    Models,
    RequestGuard,
    answer_of,
    served_model,
    told,
)

TIMEOUT_S: Final = 120
THREADS: Final = 2
MAX_CONCURRENCY: Final = 32

_logger = logging.getLogger("bentoml.cu_pipeline")  # BentoML shows what its own loggers are told


@bentoml.service(
    name="cu_pipeline",
    workers=1,
    threads=THREADS,
    image=service_image(),
    traffic={"timeout": TIMEOUT_S, "max_concurrency": MAX_CONCURRENCY},
)
class ContentUnderstanding:
    """Recognises what a short video is about."""

    def __init__(self) -> None:
        try:
            self._load()
        except CuPipelineError as error:
            _logger.critical("the service cannot start: %s", error)
            stop_supervisor()
            raise

    def _load(self) -> None:
        from cu_pipeline.service.live_predictor import LivePredictor

        max_body_bytes()
        self._settings = Settings.from_environment()
        self._live = LivePredictor.start(self._settings.bundles, THREADS)
        with self._live.use() as predictor:
            _logger.info("serving %s from %s", ", ".join(predictor.bundles), self._settings.bundles)
        self._live.watch()
        self._log = PredictionLog.open(str(self._settings.log))

    @bentoml.on_shutdown
    def close(self) -> None:
        """End the decoding processes, and move what was answered into the log's database."""
        self._live.close()
        self._log.close()

    @bentoml.api(route="/classify", input_spec=ClassifyRequest, output_spec=Classification)
    def classify(
        self,
        video: Path | None = None,
        caption: str = "",
        feed: str | None = None,
        lang: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> Classification | Response:
        """Classify a clip by its video, its caption or both, as far as capabilities apply to it."""
        request_id = uuid4().hex
        try:
            with self._live.use() as predictor:
                prediction = predictor.predict(video, caption, told(feed, lang, metadata))
        except BadClipError as error:
            refusal = Refusal(error=error.detail, reason=error.reason.value)
            return JSONResponse(refusal.model_dump(), HTTPStatus.UNPROCESSABLE_ENTITY)
        self._log.append(record(request_id, prediction))
        answers = {name: answer_of(prediction, name) for name in prediction.versions}
        return Classification(capabilities=answers, request_id=request_id, service_version=_version())

    @bentoml.api(route="/models")
    def models(self) -> Models:
        """List the models that answer, their versions, and what they apply to."""
        with self._live.use() as predictor:
            models = {name: served_model(bundle) for name, bundle in predictor.bundles.items()}
        return Models(capabilities=models, service_version=_version())


def _version() -> str:
    """The Bento's version, or this package's when the service runs from the sources."""
    bento = str(server_context.bento_version or "")
    return bento if bento not in {"", "not available", "dev"} else __version__


ContentUnderstanding.add_asgi_middleware(RequestGuard, max_body_bytes=max_body_bytes)  # type: ignore[attr-defined]
ContentUnderstanding.add_asgi_middleware(FrontPage)  # type: ignore[attr-defined]

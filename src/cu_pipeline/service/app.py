import logging
from collections.abc import MutableMapping
from typing import Any, Final

import bentoml
from anyio import to_thread
from bentoml import server_context

from cu_pipeline import __version__
from cu_pipeline.core.errors import CuPipelineError
from cu_pipeline.service.environment import Settings, workers
from cu_pipeline.service.image import service_image
from cu_pipeline.service.refusal import Application, Receive, Scope, Send
from cu_pipeline.service.security.server import bound_heads
from cu_pipeline.service.start import announce_start, end_start, end_with_supervisor

_logger = logging.getLogger("bentoml.cu_pipeline")  # BentoML shows what its own loggers are told


class _Door:
    """Hands every request to the application that the worker made at its start, and the rest to BentoML.

    Args:
        bentoml: its application, which starts and ends the service.
    """

    application: Application | None = None

    def __init__(self, bentoml: Application) -> None:
        self._bentoml = bentoml

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        application = None if scope["type"] == "lifespan" else _Door.application
        await (application or self._bentoml)(scope, receive, send)


class OwnHTTP(bentoml.Service[Any]):
    """A BentoML service whose requests pass none of BentoML's parsers, limiters, metrics and pages."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """Make the application that a worker serves."""
        bound_heads()
        return _Door(super().to_asgi(is_main))


CLOSE_S: Final = 5.0
"""Seconds that the engine gets to end once no request is left."""

QUIET: Final[MutableMapping[str, Any]] = {"enabled": False}


@bentoml.service(
    name="cu_pipeline",
    service_class=OwnHTTP,
    workers=workers(),
    image=service_image(),
    metrics=QUIET,
)
class ContentUnderstanding:
    """Recognises what a short video is about."""

    def __init__(self) -> None:
        try:
            self._start()
        except Exception as error:
            _logger.debug("the start failed", exc_info=True)
            end_start(str(error) if isinstance(error, CuPipelineError) else repr(error))

    @bentoml.on_deployment  # outermost: BentoML looks for its mark on what the class gives
    @staticmethod
    def announce() -> None:
        """Prepare, in the process that supervises the workers, what they share."""
        announce_start()

    def _start(self) -> None:
        from cu_pipeline.inference.prediction_log import PredictionLog
        from cu_pipeline.rollout.plan import rollouts_folder
        from cu_pipeline.service.api.application import application
        from cu_pipeline.service.api.running import Running
        from cu_pipeline.service.engine.engine import Engine
        from cu_pipeline.service.engine.options import EngineSettings
        from cu_pipeline.service.metrics import Metrics
        from cu_pipeline.service.rollouts import Rollouts
        from cu_pipeline.service.workspace import Workspace

        settings = Settings.from_environment()
        bundles = settings.bundles_folder()
        workspace = Workspace.open()
        metrics = Metrics(workspace.run / "metrics", _version())
        log = PredictionLog.open(settings.log_place, settings.log, metrics.log_failure)
        self._rollouts = Rollouts.start(rollouts_folder(bundles), bundles, settings.log_place)
        engine = Engine.start(EngineSettings(bundles, settings.workers, settings.engine), metrics, self._rollouts)
        self._running = Running(settings, engine, log, metrics, workspace, _version())
        self._running.drain.follow_signals()
        end_with_supervisor()
        _Door.application = application(self._running)
        _logger.info("serving %s from %s", ", ".join(engine.bundles()), bundles)

    @bentoml.on_shutdown
    async def close(self) -> None:
        """End the engine, and remove what requests left."""
        await self._running.engine.close(CLOSE_S)
        await to_thread.run_sync(self._rollouts.close)
        await to_thread.run_sync(self._running.log.close)
        self._running.metrics.close()
        self._running.workspace.close()


def _version() -> str:
    """The Bento's version, or this package's when the service runs from the sources."""
    bento = str(server_context.bento_version or "")
    return bento if bento not in {"", "not available", "dev"} else __version__

"""What one worker of the service answers with."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from anyio import to_thread
from starlette.requests import Request

from cu_pipeline.core.decision import confidence
from cu_pipeline.core.errors import BadClipError, StoreError
from cu_pipeline.inference.prediction_log import FeedbackRecord, PredictionLog, PredictionRecord, ShadowRecord
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.api.body import BodyLimits, ClientGoneError, UploadGate
from cu_pipeline.service.api.clips import ClipFields
from cu_pipeline.service.captures import Captures
from cu_pipeline.service.drain import Drain
from cu_pipeline.service.engine.engine import Engine
from cu_pipeline.service.engine.interface import Answered, ClipRequest, DeadlineError, OverloadedError
from cu_pipeline.service.environment import Settings
from cu_pipeline.service.metrics import Metrics
from cu_pipeline.service.refusal import RefusedError, unavailable
from cu_pipeline.service.rollout_shadows import shadow_records
from cu_pipeline.service.workspace import Workspace

CAPTION_BYTES: Final = 2**16
"""A longer body is taken for a video's: most captions have a hundredth of it."""

T = TypeVar("T")


@dataclass
class Running:
    """What one worker of the service answers with.

    Attributes:
        settings: of the service.
        engine: answers about clips.
        log: of predictions and feedback.
        metrics: for people on call.
        workspace: folder for what requests bring.
        version: of the service.
        captures: keeps requests to be labelled.
    """

    settings: Settings
    engine: Engine
    log: PredictionLog
    metrics: Metrics
    workspace: Workspace
    version: str
    captures: Captures = field(init=False)
    drain: Drain = field(init=False)
    forms: UploadGate = field(init=False)
    texts: UploadGate = field(init=False)
    _received: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.captures = Captures(self.settings.capture_store(), self.metrics.capture_lost)
        self.drain = Drain(self.settings.drain_s)
        self.forms = UploadGate(self.settings.max_uploads)
        self.texts = UploadGate(16 * self.settings.max_uploads)

    @property
    def limits(self) -> BodyLimits:
        """Of bodies."""
        told = self.settings
        return BodyLimits(told.upload_idle_s, told.upload_total_s, told.max_body_bytes)

    def bundles(self) -> Mapping[str, Bundle]:
        """All models that may have answered, by version."""
        both = [*self.engine.challengers().values(), *self.engine.bundles().values()]
        return {bundle.version: bundle for bundle in both}

    async def classify(self, request: ClipRequest) -> Answered:
        """Ask the engine, in time.

        Raises:
            RefusedError: the clip is refused, or there is no room or no time for it.
        """
        return await self._in_time(self.engine.classify(request))

    async def embed(self, request: ClipRequest) -> Answered:
        """Ask the engine for features alone, in time; see `classify`."""
        return await self._in_time(self.engine.embed(request))

    def check_room(self, request: Request) -> None:
        """Refuse a video for which there is no room before it is received; a caption takes less than to look at that.

        Raises:
            RefusedError: there is no room.
        """
        announced = request.headers.get("content-length", "")
        if re.fullmatch(r"\d{1,18}", announced) and int(announced) <= CAPTION_BYTES:
            return
        self._check_video_room()

    @contextmanager
    def arriving(self) -> Iterator[Callable[[], None]]:
        """Receive a video: gives what is to be called when all of it is here, before anything is done with it.

        Those that arrive together would all find the same room, and be refused only after their files were written.

        Raises:
            RefusedError: there is no room, by then.
        """
        counted = False

        def received() -> None:
            nonlocal counted
            self._check_video_room()
            self._received += 1
            counted = True

        try:
            yield received
        finally:
            self._received -= counted

    def _check_video_room(self) -> None:
        try:
            self.engine.check_room(has_media=True, beside=self._received)
        except OverloadedError as error:
            raise _overloaded(error) from None

    async def _in_time(self, asked: Coroutine[Any, Any, Answered]) -> Answered:
        try:
            async with asyncio.timeout(self.settings.deadline_s):
                return await asked
        except BadClipError as error:
            raise RefusedError(HTTPStatus.UNPROCESSABLE_ENTITY, error.reason.value, error.detail) from None
        except OverloadedError as error:
            raise _overloaded(error) from None
        except DeadlineError as error:
            raise unavailable("deadline", f"{error}: try again later") from None
        except TimeoutError:
            told = f"not answered in {self.settings.deadline_s:g} s: try again later"
            raise unavailable("deadline", told) from None

    def count_refusal(self, reason: str) -> None:
        """Count a request that is answered otherwise than it asks, for people on call and in the prediction log."""
        self.metrics.refusal(reason)
        self.log.refused(reason)

    async def keep_answer(self, record: PredictionRecord) -> None:
        """Keep an answer in the prediction log, and count it."""
        await self.keep(record)
        for capability, label in record.labels.items():
            sure = confidence(label, record.probabilities[capability])
            self.metrics.prediction(capability, label, record.versions[capability], sure)

    async def keep(self, record: PredictionRecord | FeedbackRecord | ShadowRecord) -> bool:
        """Keep what was said in the prediction log; a failure is counted there, and never fails the request."""
        return await to_thread.run_sync(self.log.append, record)

    async def knows(self, name: str) -> bool:
        """Whether a request was answered here.

        Raises:
            RefusedError: that cannot be found out now.
        """
        try:
            return await to_thread.run_sync(self.log.knows, name)
        except StoreError as error:
            raise unavailable("log", str(error)) from None

    async def after(
        self, name: str, answered: Answered, fields: ClipFields, video: Path | None, *, replay: bool
    ) -> None:
        """Once the client has its answer: keep the request, ask the other model of each rollout, keep what it says."""
        if not replay:
            await self.captures.keep(name, answered.media_sha256, fields, video)
        for record in await shadow_records(self.engine, name, answered):
            await self.keep(record)

    async def forget(self, name: str) -> bool:
        """Delete what is captured of a request, and tell whether there was anything.

        Raises:
            RefusedError: it cannot be deleted now.
        """
        try:
            return await self.captures.forget(name)
        except StoreError as error:
            raise unavailable("captures", str(error)) from None

    def folder(self, request: Request) -> Path:
        """The folder of a request's files, which goes with the request."""
        state = request.scope["state"]
        if "folder" not in state:
            state["folder"] = self.workspace.request_folder()
        found: Path = state["folder"]
        return found


def _overloaded(error: OverloadedError) -> RefusedError:
    message = f"more {error.lane} requests wait than can be answered in time: try again later"
    headers = {"retry-after": str(error.retry_after_s)}
    return RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "overloaded", message, headers=headers)


def running(request: Request) -> Running:
    """What answers a request."""
    found: Running = request.app.state.running
    return found


def request_id(request: Request) -> str:
    """The id of a request, given by its client or by the service."""
    found: str = request.state.request_id
    return found


async def unless_client_leaves(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do some work as long as the client waits for it; the body must have been read.

    Raises:
        ClientGoneError: it closed the connection; the work was cancelled.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        pending = [one for one in (task, watch) if not one.done()]
        for one in pending:
            one.cancel()
        if pending:
            await asyncio.wait(pending)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

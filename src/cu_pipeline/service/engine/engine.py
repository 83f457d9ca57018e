"""The engine: requests of one worker share its models, decoders and cores."""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from pathlib import Path
from time import monotonic
from typing import Final, Self

from cu_pipeline.core.errors import BadClipError
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.inference.prediction import Question, ReadClip
from cu_pipeline.inference.predictor import Predictor
from cu_pipeline.inference.scoring import ModelAnswer
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.engine.interface import (
    Answered,
    ClipRequest,
    DeadlineError,
    EngineMetrics,
    OverloadedError,
    Router,
    ShadowInput,
)
from cu_pipeline.service.engine.job import Job
from cu_pipeline.service.engine.lane import Lane
from cu_pipeline.service.engine.live_predictor import Builder, LivePredictor
from cu_pipeline.service.engine.options import EngineSettings
from cu_pipeline.service.engine.queues import BatchQueue, DecodingQueue

SWITCH_S: Final = 0.001
"""Seconds after which a thread that holds Python's lock gives it to one that waits, such as the one that refuses."""

MOST_SHADOWS: Final = 32
"""Requests that challengers may lag behind; of further ones they see nothing."""

THREADS_VARIABLE: Final = "OMP_NUM_THREADS"

_GUESSES: Final = {"text": 0.02, "video": 0.2}
_TICK_S: Final = 0.02

_logger = logging.getLogger("bentoml.cu_pipeline")  # BentoML shows what its own loggers are told


class Engine:
    """Answers requests in stages, so that each waits for as little as it can.

    A caption is encoded and scored by threads that do nothing else. A video is decoded in a process apart, and encoded
    and scored by threads of its own lane while the next ones are decoded. Those that wait for the same stage go through
    it together. Videos that take long to decode have a lane of their own and leave a decoder to the others.

    Args:
        settings: of the engine.
        live: the predictor.
        metrics: are told of batches, queues and decoders.
        router: of rollouts; None: champions answer everything.
    """

    def __init__(
        self, settings: EngineSettings, live: LivePredictor, metrics: EngineMetrics, router: Router | None = None
    ) -> None:
        told = settings.options
        self._live = live
        self._metrics = metrics
        self._router = router
        self._quick = float(told.quick_pixels) if told.quick_pixels and settings.decoders > 1 else inf
        self._lanes = {
            name: Lane(name, seconds, _GUESSES[name], told.most_waiting, metrics)
            for name, seconds in (("text", told.text_deadline_s), ("video", told.video_deadline_s))
        }
        slow_decoders = max(settings.decoders - 1, 1)
        guess = told.decode_budget_s / slow_decoders
        self._slow = Lane("slow video", told.video_deadline_s, guess, told.most_waiting, metrics, least=slow_decoders)
        self._decoding: DecodingQueue[Job] = DecodingQueue(settings.decoders)
        self._texts: BatchQueue[Job] = BatchQueue(told.text_batch, told.text_wait_ms / 1000)
        room = 2 * told.video_batch * settings.encoders
        self._videos: BatchQueue[Job] = BatchQueue(told.video_batch, told.video_wait_ms / 1000, room)
        self._shadows = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._shadowing = 0
        self._closing = False
        self._threads = [
            *_threads("decode", settings.decoders, self._decode),
            *_threads("encode_text", 1, lambda: self._encode("text", self._texts)),
            *_threads("encode_video", settings.encoders, lambda: self._encode("video", self._videos)),
        ]

    @classmethod
    def start(cls, settings: EngineSettings, metrics: EngineMetrics, router: Router | None = None) -> Self:
        """Load and warm the models of a folder, and follow it from then on.

        Raises:
            CuPipelineError: it cannot be served.
        """
        sys.setswitchinterval(SWITCH_S)
        if settings.workers > 1:
            os.environ.setdefault(THREADS_VARIABLE, str(settings.cores))  # read when the first network is made
        build = Builder(settings.decoders, settings.limits, metrics.decoder_restart)
        live = LivePredictor.start(settings.bundles, build, router)
        live.check()
        engine = cls(settings, live, metrics, router)
        for thread in engine._threads:
            thread.start()
        live.watch()
        return engine

    def check_room(self, has_media: bool, beside: int = 0) -> None:
        """Tell before a request is there whether it could be answered, so that a refused video need not be received.

        Args:
            has_media: whether it brings a video.
            beside: requests of its kind that are received and not asked yet.

        Raises:
            OverloadedError: it could not now; where it does not say so, it may still do when the request is there.
        """
        self._lanes["video" if has_media else "text"].check(beside)

    async def classify(self, request: ClipRequest) -> Answered:
        """Answer about a clip; the work ends with its present stage when the caller is cancelled.

        Raises:
            BadClipError: the media is refused.
            OverloadedError: it could not be answered in time; this is known at once.
            DeadlineError: it was not answered in time.
        """
        return await self._answer(request, embed=False)

    async def embed(self, request: ClipRequest) -> Answered:
        """Compute a clip's features alone; see `classify`."""
        return await self._answer(request, embed=True)

    async def shadow(self, answered: Answered) -> dict[str, ModelAnswer]:
        """Ask challengers about a clip that was answered; it waits behind whatever serves clients.

        Returns:
            Capability -> the challenger's answer, or its error; where rollouts ask for it, and challengers keep up.
        """
        shadow_input, router = answered.shadow_input, self._router
        if shadow_input is None or router is None:
            return {}
        names = [name for name in answered.prediction.labels if router.shadowed(name)]
        known = {name: one for name, one in answered.prediction.challengers.items() if name in names}
        missing = [name for name in names if name not in known]
        if not missing or self._shadowing >= MOST_SHADOWS or self._closing:
            return known
        self._shadowing += 1
        try:
            loop = asyncio.get_running_loop()
            return known | await loop.run_in_executor(self._shadows, self._challenge, shadow_input, answered, missing)
        finally:
            self._shadowing -= 1

    def bundles(self) -> dict[str, Bundle]:
        """The champions that answer, by capability."""
        with self._live.use() as predictor:
            return dict(predictor.bundles)

    def challengers(self) -> dict[str, Bundle]:
        """The challengers that are compared with them, by capability."""
        with self._live.use() as predictor:
            return dict(predictor.challengers)

    def ready(self) -> bool:
        """Tell whether requests are answered."""
        return not self._closing and all(thread.is_alive() for thread in self._threads)

    async def close(self, timeout_s: float) -> None:
        """Take no more requests, let those under way end in time, and end all threads and processes."""
        self._closing = True
        until = monotonic() + timeout_s
        while any(lane.inside for lane in (*self._lanes.values(), self._slow)) and monotonic() < until:
            await asyncio.sleep(_TICK_S)
        left = [*self._decoding.close(), *self._texts.close(), *self._videos.close()]
        for job in left:
            job.fail(DeadlineError("the service ends"), worked=False)
        await asyncio.to_thread(self._end_threads)

    def _end_threads(self) -> None:
        self._live.close()  # decoders end, so that no thread waits for them
        self._shadows.shutdown(cancel_futures=True)
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    async def _answer(self, request: ClipRequest, embed: bool) -> Answered:
        lane = self._lanes["text" if request.media is None else "video"]
        if self._closing:
            raise OverloadedError(lane.name, 5)
        place = lane.enter()
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        deadline = monotonic() + lane.deadline_s
        job = Job(request, self._live, self._live.take(), place, answer, deadline, embed)
        if request.media is None:
            self._texts.put(job)
        else:
            self._decoding.put(job)
        try:
            async with asyncio.timeout(lane.deadline_s):
                return await answer
        except TimeoutError:
            raise DeadlineError(f"not answered in {lane.deadline_s:g} s") from None

    def _decode(self) -> None:
        """Decode clips, one after the other, until the engine closes."""
        while (taken := self._decoding.take()) is not None:
            job, slow = taken
            try:
                self._read(job, slow)
            except Exception as error:
                job.fail(error)
            finally:
                self._decoding.done(slow)

    def _read(self, job: Job, slow: bool) -> None:
        if not job.wanted():
            return
        begun = job.begins()
        question = job.question = job.question or self._question(job)
        job.decoded = job.predictor.decode(question, inf if slow else self._quick)
        job.took("decode", begun)
        if job.decoded is not None and job.decoded.postponed:
            job.move(self._slow.enter())
            self._decoding.put(job, slow=True)
        elif not self._videos.put(job):
            job.fail(DeadlineError("the service ends"), worked=False)

    def _encode(self, stage: str, queue: BatchQueue[Job]) -> None:
        """Encode and score what waits, until the engine closes."""
        while batch := queue.take():
            asked = [job for job in batch if job.wanted() and self._asked(job)]
            for predictor in {id(job.predictor): job.predictor for job in asked}.values():
                together = [job for job in asked if job.predictor is predictor]
                self._metrics.batch(stage, len(together))
                self._finish(predictor, together)

    def _asked(self, job: Job) -> bool:
        try:
            job.question = job.question or self._question(job)
        except Exception as error:
            job.fail(error)
        return job.question is not None

    def _finish(self, predictor: Predictor, jobs: Sequence[Job]) -> None:
        """Answer jobs together; where that fails, each by itself, so that none pays for another."""
        clips = [job.clip for job in jobs]
        starts = [job.begins() for job in jobs]
        try:
            features = predictor.encode(clips)
            for job, begun in zip(jobs, starts, strict=True):
                job.took("encode", begun)
            begun = monotonic()
            predictions = predictor.score(clips, features)
        except Exception as error:
            if len(jobs) == 1:
                if not isinstance(error, BadClipError):
                    _logger.exception("a clip could not be answered")
                return jobs[0].fail(error)
            for job in jobs:
                self._finish(predictor, [job])
            return None
        for row, (job, prediction) in enumerate(zip(jobs, predictions, strict=True)):
            job.took("score", begun)
            kept = {name: feature.take([row]) for name, feature in features.items()} if predictor.challengers else None
            job.succeed(prediction, None if kept is None else ShadowInput(job.clip.question, kept))
        return None

    def _question(self, job: Job) -> Question:
        request, predictor = job.request, job.predictor
        return predictor.ask(
            request.media,
            request.caption,
            request.told,
            capabilities=() if job.embed else request.capabilities,
            challenged=() if job.embed else self._challenged(request, predictor),
            explain=request.explain,
        )

    def _challenged(self, request: ClipRequest, predictor: Predictor) -> list[str]:
        """The capabilities whose challenger answers a request."""
        if self._router is None or not predictor.challengers:
            return []
        key = request.key or _content_key(request.media, request.caption)
        try:
            return [name for name in predictor.challengers if self._router.role(name, key) == "challenger"]
        except Exception:  # champions answer
            _logger.exception("the rollouts could not be asked who answers")
            return []

    def _challenge(self, shadow_input: ShadowInput, answered: Answered, names: Sequence[str]) -> dict[str, ModelAnswer]:
        with self._live.use() as predictor:
            found = predictor.challenge(ReadClip(shadow_input.question), shadow_input.features, names)
        for name, one in found.items():
            if not one.error:
                self._metrics.shadow(name, one.label == answered.prediction.labels[name], one.ms / 1000)
        return found


def _content_key(media: Path | None, caption: str) -> str:
    return text_sha256(caption) if media is None else file_sha256(media)


def _threads(name: str, count: int, target: Callable[[], None]) -> list[threading.Thread]:
    return [threading.Thread(target=target, name=f"{name}_{number}", daemon=True) for number in range(count)]

"""The engine's interface over a live predictor and threads."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import BaseModel

from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.hashing import file_sha256, text_sha256
from cu_pipeline.inference.predictor import Prediction
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.service.engine_types import Answered, ClipRequest, OverloadedError
from cu_pipeline.service.lifecycle import log_prediction
from cu_pipeline.service.live_predictor import LivePredictor


class SimpleEngine:
    """Answers by threads."""

    def __init__(self, live: LivePredictor, threads: int, waiting: int) -> None:
        self._live = live
        self._pool = ThreadPoolExecutor(threads)
        self._most = waiting
        self._held = 0

    @classmethod
    def start(cls, bundles: Path, threads: int = 2, waiting: int = 32) -> "SimpleEngine":
        live = LivePredictor.start(bundles, threads)
        live.watch()
        return cls(live, threads, waiting)

    async def classify(self, request: ClipRequest) -> Answered:
        if self._held >= self._most:
            raise OverloadedError("video" if request.media else "text", 1)
        self._held += 1
        future = self._pool.submit(self._classify, request, time.monotonic())
        future.add_done_callback(lambda _: self._release())
        return await asyncio.wrap_future(future)

    async def embed(self, request: ClipRequest) -> Answered:
        return await self.classify(request)

    def bundles(self) -> dict[str, Bundle]:
        with self._live.use() as predictor:
            return dict(predictor.bundles)

    def challengers(self) -> dict[str, Bundle]:
        return {}

    def ready(self) -> bool:
        return True

    async def close(self, timeout_s: float) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._live.close()

    def _release(self) -> None:
        self._held -= 1

    def _classify(self, request: ClipRequest, asked: float) -> Answered:
        began = time.monotonic()
        with self._live.use() as predictor:
            prediction = predictor.predict(request.media, request.caption, request.told)
        text = clean_caption(request.caption)
        return Answered(
            prediction,
            {"queue": 1000 * (began - asked), "score": 1000 * (time.monotonic() - began)},
            "" if request.media is None else file_sha256(request.media),
            text_sha256(text) if text else "",
        )


class SimpleLog:
    """The log's interface over the present one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[str] = set()

    def record(self, request_id: str, prediction: Prediction) -> None:
        log_prediction(self._folder, request_id, prediction)
        self._known.add(request_id)

    def feedback(self, told: BaseModel) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "feedback.jsonl").open("a") as stream:
            stream.write(told.model_dump_json() + "\n")

    def knows(self, request_id: str) -> bool:
        return request_id in self._known

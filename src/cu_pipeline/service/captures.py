"""What the service keeps of its requests, so that they can be labelled."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from anyio import CapacityLimiter, to_thread

from cu_pipeline.core.errors import StoreError
from cu_pipeline.ingest.capture import METADATA
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.service.api.clips import ClipFields

MOST_AT_ONCE: Final = 64
"""Requests that are or wait to be kept at a time: their files fill the disk meanwhile."""

_FACTS: Final = ("clip_id", "creator", "feed", "lang")

_logger = logging.getLogger("bentoml.cu_pipeline")


class Captures:
    """A capture store that fails and slows no request.

    What cannot be kept is counted, and told once, until it can be again.
    It has a thread of its own, so that a slow disk takes none from those that answer.

    Args:
        store: None: nothing is kept.
        on_loss: is told of each request that could not be kept.
    """

    def __init__(self, store: CaptureStore | None, on_loss: Callable[[], None] | None = None) -> None:
        self._store = store
        self._on_loss = on_loss
        self._thread = CapacityLimiter(1)
        self._begun = 0
        self._lost = 0
        if store is not None:
            _logger.info("requests are kept in %s, to be labelled; CU_PIPELINE_CAPTURE=off ends that", store.folder)

    async def keep(self, name: str, media_sha256: str, fields: ClipFields, video: Path | None) -> None:
        """Keep a request.

        Args:
            name: its id.
            media_sha256: of the video; "" without one.
            fields: what else it told.
            video: the file that it brought.
        """
        if self._store is None:
            return
        if self._begun >= MOST_AT_ONCE:
            self._lose("the folder is too slow")
            return
        facts = {one: told for one in _FACTS if (told := getattr(fields, one))}
        if fields.metadata:
            facts[METADATA] = json.dumps(fields.metadata, ensure_ascii=False)
        self._begun += 1
        try:
            await to_thread.run_sync(
                self._store.keep, name, video, media_sha256, fields.caption, facts, limiter=self._thread
            )
        except StoreError as error:
            self._lose(str(error))
        else:
            if self._lost:
                _logger.warning("requests are captured again; %d were not", self._lost)
            self._lost = 0
        finally:
            self._begun -= 1

    def _lose(self, why: str) -> None:
        if not self._lost:
            _logger.warning("requests are answered and not captured: %s", why)
        self._lost += 1
        if self._on_loss:
            self._on_loss()

    async def forget(self, name: str) -> bool:
        """Delete what is kept of a request, and tell whether there was anything.

        Raises:
            StoreError: it cannot be deleted now.
        """
        return self._store is not None and await to_thread.run_sync(self._store.forget, name)

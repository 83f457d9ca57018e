"""What the service keeps of its requests, so that they can be labelled."""

import logging
from pathlib import Path

from cu_pipeline.core.errors import StoreError
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.service.api.clips import ClipFields

_FACTS = ("clip_id", "creator", "feed", "lang")

_logger = logging.getLogger("bentoml.cu_pipeline")


class Captures:
    """A capture store that fails no request: what cannot be kept is told once, until something can be kept again.

    Args:
        store: None: nothing is kept.
    """

    def __init__(self, store: CaptureStore | None) -> None:
        self._store = store
        self._failing = False
        if store is not None:
            _logger.info("requests are kept in %s, to be labelled; CU_PIPELINE_CAPTURE=off ends that", store.folder)

    def keep(self, name: str, media_sha256: str, fields: ClipFields, video: Path | None) -> None:
        """Keep a request.

        Args:
            name: its id.
            media_sha256: of the video; "" without one.
            fields: what else it told.
            video: the file that it brought.
        """
        if self._store is None:
            return
        facts = {one: told for one in _FACTS if (told := getattr(fields, one))}
        try:
            self._store.keep(name, video, media_sha256, fields.caption, facts)
        except (StoreError, OSError) as error:
            if not self._failing:
                _logger.warning("requests are answered and not captured: %s", error)
            self._failing = True
        else:
            self._failing = False

    def forget(self, name: str) -> bool:
        """Delete what is kept of a request, and tell whether there was anything.

        Raises:
            StoreError: it cannot be deleted now.
        """
        return self._store is not None and self._store.forget(name)

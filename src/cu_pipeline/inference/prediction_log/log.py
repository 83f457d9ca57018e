import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Self

from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.hashing import text_sha256, unit_interval
from cu_pipeline.inference.prediction_log.minutes import RefusedMinutes
from cu_pipeline.inference.prediction_log.options import Captions, LogOptions
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import (
    FeedbackRecord,
    PredictionRecord,
    Record,
    RefusalRecord,
    ShadowRecord,
    SkippedRecord,
    from_line,
    to_line,
)
from cu_pipeline.inference.prediction_log.spool import PATTERN, Spool

LANGUAGE: Final = "language"

RECENT: Final = 10_000
"""Requests whose ids a process remembers, for feedback on them."""

_log = logging.getLogger(__name__)


class PredictionLog:
    """Keeps what the service answers; several processes may have one at the same place.

    `open` makes one.
    """

    def __init__(self, place: Place, options: LogOptions, on_failure: Callable[[], None] | None) -> None:
        from cu_pipeline.inference.prediction_log.database import UNAVAILABLE, Database
        from cu_pipeline.inference.prediction_log.mover import Mover

        self._options, self._on_failure = options, on_failure
        try:
            if place.folder:
                place.folder.mkdir(parents=True, exist_ok=True)
            self._spool = Spool(place.spool, options.spool_bytes, fsync=options.fsync)
        except OSError as error:
            raise StoreError(
                f"the prediction log's folder {place.spool} cannot be made ({error.strerror or error}). "
                "Remedy: make it writable, or set CU_PIPELINE_PREDICTION_LOG to another folder"
            ) from error
        self._database = Database(place, fsync=options.fsync)
        self._mover = Mover(self._spool, self._database, place, options, self._failed)
        self._failing = False
        self._recent: deque[str] = deque(maxlen=RECENT)
        self._known: set[str] = set()
        self._ids = threading.Lock()
        self._refused = RefusedMinutes()
        try:
            self._database.prepare()
        except UNAVAILABLE as error:
            self._mover.away(error)

    @classmethod
    def open(cls, place: str, options: LogOptions | None = None, on_failure: Callable[[], None] | None = None) -> Self:
        """Open a log, and begin to move into its database what earlier processes left.

        A database that is away is waited for.

        Args:
            place: a folder, which gets a SQLite file; or `postgresql+psycopg://USER:{VARIABLE}@HOST/DATABASE`.
            options: of the log.
            on_failure: is called for each record that is lost.

        Raises:
            ConfigurationError: the place is neither, or its driver is not installed.
            StoreError: the folder cannot be made, or the tables are of a later version.
        """
        options = options or LogOptions()
        log = cls(Place.of(place, options.spool), options, on_failure)
        log._mover.start()
        return log

    def append(self, record: PredictionRecord | ShadowRecord | FeedbackRecord | RefusalRecord) -> bool:
        """Keep a record: when this returns, killing the process cannot lose it. It never raises.

        Returns:
            Whether it is kept; where not, the disk is full or the spool has reached its size, which is counted, and
            told once in the log.
        """
        kept = self._as_kept(record)
        try:
            self._spool.append(to_line(kept))
        except (OSError, ValueError) as error:
            if not self._failing:
                self._failing = True
                _log.error("answers are given but not kept in the prediction log: %s", error)
            self._failed(1)
            return False
        if self._failing:
            self._failing = False
            _log.warning("answers are kept in the prediction log again")
        if isinstance(kept, PredictionRecord | SkippedRecord):
            self._remember(kept.request_id)
        return True

    def refused(self, reason: str) -> None:
        """Count a request that was refused; the counts of a minute are kept when it is over, or the log is closed.

        Args:
            reason: a stable code.
        """
        for record in self._refused.count(reason):
            self.append(record)

    def knows(self, request_id: str) -> bool:
        """Whether a request was answered by any process that writes to this log, also one that was sampled out.

        Raises:
            StoreError: the spool does not know it and the database is away.
        """
        from cu_pipeline.inference.prediction_log.database import UNAVAILABLE, in_words

        if request_id in self._known or self._spooled(request_id):
            return True
        try:
            return self._database.knows(request_id)
        except UNAVAILABLE as error:
            raise StoreError(
                f"the prediction log's database cannot be used now ({in_words(error)}). Remedy: try again later"
            ) from error

    def flush(self) -> bool:
        """Move all that was appended into the database now; False: it is away, and the spool keeps it."""
        return self._mover.move()

    def close(self, timeout_s: float = 5.0) -> None:
        """Move what there is, as far as the database takes it in time, and let go of the rest."""
        for record in self._refused.end():
            self.append(record)
        self._mover.stop(timeout_s)
        self._spool.close()
        self._database.close()

    def _as_kept(self, record: PredictionRecord | ShadowRecord | FeedbackRecord | RefusalRecord) -> Record:
        if not isinstance(record, PredictionRecord):
            return record
        if unit_interval(record.request_id) >= self._options.sample:
            count("predictions_sampled_out")
            return SkippedRecord(time=record.time, request_id=record.request_id)
        record = _with_language(record)
        if record.caption is None or self._options.captions is Captions.KEEP:
            return record
        hashed = text_sha256(record.caption) if self._options.captions is Captions.HASH else None
        return record.model_copy(update={"caption": hashed})

    def _failed(self, records: int) -> None:
        count("prediction_log_failures", records)
        for _ in range(records if self._on_failure else 0):
            self._on_failure()  # type: ignore[misc]

    def _remember(self, request_id: str) -> None:
        with self._ids:
            if len(self._recent) == RECENT:
                self._known.discard(self._recent[0])
            self._recent.append(request_id)
            self._known.add(request_id)

    def _spooled(self, request_id: str) -> bool:
        """Look through what waits, of this process and of others."""
        wanted = request_id.encode()
        for path in self._spool.folder.glob(PATTERN):
            try:
                with path.open("rb") as stream:
                    for line in stream:
                        if wanted in line and _answers(from_line(line), request_id):
                            return True
            except FileNotFoundError:  # it was moved: the database knows it
                continue
        return False


def _with_language(record: PredictionRecord) -> PredictionRecord:
    """Name the language of a caption that is not kept, unless the client told it."""
    from cu_pipeline.ingest.language import identify
    from cu_pipeline.ingest.options import LanguageOptions

    if not record.caption or record.facts.get(LANGUAGE):
        return record
    found = identify([record.caption], LanguageOptions().least_probability)[0]
    return record.model_copy(update={"facts": {**record.facts, LANGUAGE: found}}) if found else record


def _answers(record: Record | None, request_id: str) -> bool:
    return isinstance(record, PredictionRecord | SkippedRecord) and record.request_id == request_id

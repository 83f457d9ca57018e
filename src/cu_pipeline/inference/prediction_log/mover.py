"""The thread that takes the spool's lines into the database and removes records that are too old."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from cu_pipeline.inference.prediction_log.database import Database, in_words
from cu_pipeline.inference.prediction_log.day_files import finished, outdated, set_aside
from cu_pipeline.inference.prediction_log.options import LogOptions
from cu_pipeline.inference.prediction_log.place import Place
from cu_pipeline.inference.prediction_log.records import Record, from_line, to_line
from cu_pipeline.inference.prediction_log.refused import keep_refused
from cu_pipeline.inference.prediction_log.spool import Spool

BATCH: Final = 500
"""Records a transaction."""

SURVEY_S: Final = 5.0
"""Seconds between two looks at what other processes left, and how large the spool is."""

TIDY_S: Final = 600.0
PURGE_ROWS: Final = 1000
"""Rows of a kind that are removed at a time, so that nobody waits long for the database."""

LONGEST_PAUSE_S: Final = 15.0

_log = logging.getLogger(__name__)


class Mover:
    """Moves lines while the process lives, and waits ever longer for a database that is away.

    Args:
        spool: to take from.
        database: to put into.
        place: of the log, with the files by day of earlier versions.
        options: of the log.
        lost: is told how many records the database cannot hold.
    """

    def __init__(
        self, spool: Spool, database: Database, place: Place, options: LogOptions, lost: Callable[[int], None]
    ) -> None:
        self._spool, self._database, self._place = spool, database, place
        self._options, self._lost = options, lost
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._away_since: float | None = None
        self._pause, self._retry_at = options.flush_s, 0.0
        self._survey_at = self._tidy_at = 0.0
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to move, what others left behind as well."""
        self._survey()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Move what there is a last time, and end; what the database does not take by then stays in the spool."""
        self._stop.set()
        self._thread.join(timeout_s)
        if not self._thread.is_alive() and self._away_since is None:
            self.move()

    def move(self) -> bool:
        """Move all that the spool holds now; False: the database is away."""
        with self._turn:
            return self._told_once(self._move)

    def away(self, error: Exception) -> None:
        """Take note that the database cannot be used, and say so once."""
        now = time.monotonic()
        if self._away_since is None:
            self._away_since, self._pause = now, self._options.flush_s
            _log.warning(
                "the prediction log's database %s cannot be used (%s): answers are kept in %s until it can",
                self._place.shown,
                in_words(error),
                self._spool.folder,
            )
        self._retry_at = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)

    def _run(self) -> None:
        while not self._stop.wait(self._options.flush_s):
            with self._turn:
                self._survey()
                if time.monotonic() >= self._retry_at and self._told_once(self._move):
                    self._tidy()

    def _told_once(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # whatever it is: this thread must not end while answers go on
            self.away(error)
            return False
        if self._away_since is not None:
            _log.warning(
                "the prediction log's database %s took all that waited, after %.0f s",
                self._place.shown,
                time.monotonic() - self._away_since,
            )
            self._away_since, self._retry_at = None, 0.0
        return True

    def _survey(self) -> None:
        if time.monotonic() >= self._survey_at:
            self._survey_at = time.monotonic() + SURVEY_S
            with suppress(OSError):
                self._spool.adopt()
                self._spool.measure()

    def _move(self) -> None:
        if self._away_since is not None:
            self._database.prepare()  # while it is away, segments grow instead of becoming many
        self._spool.seal()
        for segment in self._spool.waiting():
            self._take(segment.lines())
            self._spool.done(segment)

    def _tidy(self) -> None:
        """Remove what is too old, and take in the files of earlier versions, a bounded part at a time."""
        if time.monotonic() < self._tidy_at:
            return
        try:
            more = self._purge() or self._take_in()
        except Exception as error:
            more = False
            _log.warning("old records of the prediction log %s stay for now: %s", self._place.shown, in_words(error))
        self._tidy_at = time.monotonic() + (0.0 if more else TIDY_S)

    def _purge(self) -> bool:
        before = datetime.now(UTC) - timedelta(days=self._options.retention_days)
        for path in outdated(self._place.folder, before.date()):
            path.unlink(missing_ok=True)
        return self._database.purge(before, PURGE_ROWS) >= PURGE_ROWS

    def _take_in(self) -> bool:
        """Take in the oldest file of an earlier version; tell whether there was one."""
        found = finished(self._place.folder)
        for path in found[:1]:
            with suppress(FileNotFoundError):  # another process was faster
                with path.open("rb") as stream:
                    self._take(line for line in stream if line.strip())
                set_aside(path)
        return bool(found)

    def _take(self, lines: Iterable[bytes]) -> None:
        for batch in _batches(lines):
            records: list[Record] = []
            damaged: list[bytes] = []
            for line in batch:
                record = from_line(line)
                if record is None:
                    damaged.append(line)
                else:
                    records.append(record)
            refused = self._database.add(records) if records else []
            if refused:
                self._lost(len(refused))
            if damaged or refused:
                keep_refused(self._spool.folder, [*damaged, *map(to_line, refused)])


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    waiting = iter(lines)
    while batch := list(islice(waiting, BATCH)):
        yield batch

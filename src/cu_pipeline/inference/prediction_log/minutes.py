"""How many requests were refused in each minute and why, so that few records tell of very many refusals."""

import threading
from collections import Counter
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from cu_pipeline.inference.prediction_log.records import RefusalRecord

MOST_REASONS: Final = 48
"""Reasons of one minute that are told apart; further ones are counted as `OTHER`."""

OTHER: Final = "other"


class RefusedMinutes:
    """Counts what one process refuses; safe from all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = datetime.min.replace(tzinfo=UTC)
        self._counts: Counter[str] = Counter()

    def count(self, reason: str, now: datetime | None = None) -> list[RefusalRecord]:
        """Count a refusal; give the records of an earlier minute that is over with it.

        Args:
            reason: a stable code.
            now: the time; None: the clock's.
        """
        minute = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
        with self._lock:
            over = self._taken() if minute != self._minute else []
            self._minute = minute
            known = reason in self._counts or len(self._counts) < MOST_REASONS
            self._counts[reason if known else OTHER] += 1
        return over

    def end(self) -> list[RefusalRecord]:
        """Give the records of the minute that is counted."""
        with self._lock:
            return self._taken()

    def _taken(self) -> list[RefusalRecord]:
        counts, self._counts = self._counts, Counter()
        return [
            RefusalRecord(time=self._minute, request_id=f"refusals:{uuid4().hex}", reason=reason, requests=number)
            for reason, number in counts.items()
        ]

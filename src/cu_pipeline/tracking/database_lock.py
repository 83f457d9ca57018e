"""A lock in the database that people share: it holds across machines, for the stages that a run writes."""

import logging
import time
import zlib
from collections.abc import Collection
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.databases import connect, failures_told, in_one_line
from cu_pipeline.core.errors import RunInProgressError

if TYPE_CHECKING:
    import psycopg

_CLASS: Final = 0x63757031
"""First half of the keys of these locks among all advisory locks of the database."""

_ALL: Final = 0
"""Second half of the key that who locks everything holds alone, and who locks some stages shares."""

_POLL_S: Final = 0.5
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS run_locks (
    backend integer PRIMARY KEY, stages text[] NOT NULL, actor text NOT NULL, process integer NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
)
"""
_HOLDERS: Final = """
SELECT DISTINCT actor, process, since, stages FROM run_locks JOIN pg_locks ON pid = backend
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = %(class)s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND backend <> pg_backend_pid() AND (%(all)s OR stages = '{}' OR stages && %(stages)s)
ORDER BY since
"""

_logger = logging.getLogger(__name__)


class DatabaseLock:
    """Lets one run at a time write what a stage makes, on whatever machine.

    The locks belong to a session of the database, which ends with the process, however it ends: a killed holder leaves
    none. Who holds them stands in a table for people to read; nothing depends on it.

    Args:
        address: of the database.
        stages: that are written; None: everything.
        actor: who holds it, as user@host.
        process: its number there.
    """

    def __init__(self, address: str, stages: Collection[str] | None, actor: str, process: int) -> None:
        self._address = address
        self._stages = None if stages is None else sorted(stages)
        self._holder = (actor, process)
        self._session: psycopg.Connection[Any] | None = None

    def acquire(self, timeout_s: float, remedy: str) -> None:
        """Take the locks of all stages at once, or none.

        Args:
            timeout_s: how long to wait for others.
            remedy: what they who are refused can do, in words.

        Raises:
            RunInProgressError: another holds one of them; says who, where and since when.
            StoreError: the database cannot be used.
        """
        until = time.monotonic() + timeout_s
        with failures_told(self._address, "the lock of runs"):
            self._session = session = connect(self._address, "run lock", autocommit=True)
            try:
                while not self._taken(session):
                    if time.monotonic() >= until:
                        raise RunInProgressError(f"{self._told(session)}. {remedy}")
                    time.sleep(_POLL_S)
                self._sign(session)
            except BaseException:
                self.release()
                raise

    def release(self) -> None:
        """Give the locks back by ending the session; without effect when none is held."""
        import psycopg

        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.execute("DELETE FROM run_locks WHERE backend = pg_backend_pid()")
        except psycopg.errors.UndefinedTable:
            pass
        except psycopg.Error as error:
            _logger.warning(
                "The shared database went away while its locks were held: another run may have written the same stages "
                "(%s)", in_one_line(error),
            )  # fmt: skip
        with suppress(psycopg.Error):
            session.close()

    def _taken(self, session: "psycopg.Connection[Any]") -> bool:
        """Try to lock everything that is wanted; what was got of it is given back where something is not free."""
        keys = [] if self._stages is None else [zlib.crc32(stage.encode()) for stage in self._stages]
        asked = "pg_try_advisory_lock" if self._stages is None else "pg_try_advisory_lock_shared"
        wanted = [(asked, _ALL), *(("pg_try_advisory_lock", key - 2**31 or 1) for key in keys)]
        for function, key in wanted:
            found = session.execute(f"SELECT {function}(%s, %s)", [_CLASS, key]).fetchone()
            if not (found and found[0]):
                session.execute("SELECT pg_advisory_unlock_all()")
                return False
        return True

    def _sign(self, session: "psycopg.Connection[Any]") -> None:
        session.execute("SELECT pg_advisory_lock(%s)", [_CLASS])  # two at once may not make one table
        session.execute(_TABLE)
        session.execute("SELECT pg_advisory_unlock(%s)", [_CLASS])
        session.execute("DELETE FROM run_locks WHERE backend NOT IN (SELECT pid FROM pg_stat_activity)")
        session.execute(
            "INSERT INTO run_locks (backend, stages, actor, process) VALUES (pg_backend_pid(), %s, %s, %s) ON CONFLICT "
            "(backend) DO UPDATE SET stages = excluded.stages, actor = excluded.actor, process = excluded.process, "
            "since = now()",
            [self._stages or [], *self._holder],
        )

    def _told(self, session: "psycopg.Connection[Any]") -> str:
        import psycopg

        found: list[Any] = []
        with suppress(psycopg.errors.UndefinedTable):
            given = {"class": _CLASS, "all": self._stages is None, "stages": self._stages or []}
            found = session.execute(_HOLDERS, given).fetchall()
        if not found:
            return "another run holds the lock of the shared database: a process that has just started"
        actor, process, since, stages = found[0]
        what = f"the stages {', '.join(stages)}" if stages else "the whole project"
        return f"another run writes {what}: process {process} of {actor}, since {since.isoformat(timespec='seconds')}"

"""Fetching the files behind addresses, each once while it stays the same."""

import logging
import random
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Final

from cu_pipeline.core.addresses import scheme_of, suffix_of
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.json_lines import KeyedLog
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.progress import bar
from cu_pipeline.ingest.media_store import keep, sweep
from cu_pipeline.ingest.options import FetchOptions
from cu_pipeline.ingest.transports import Body, TemporaryError, Transport, hang_up, open_stored, open_web
from cu_pipeline.media.options import Limits


@dataclass(frozen=True)
class Fetched:
    """What fetching the file behind one address gave.

    Attributes:
        address: where the file is.
        path: the copy, in the form that tables keep; "" when there is none.
        version: what its store says of it that a later content would change; "" when it says nothing.
        reason: why there is no copy; None when there is one.
        detail: the same for a person.
    """

    address: str
    path: str = ""
    version: str = ""
    reason: Reason | None = None
    detail: str = ""

    @property
    def key(self) -> str:
        """What names the record: the address."""
        return self.address


class FetchLog(KeyedLog[Fetched]):
    """All that was ever fetched, by address."""

    remedy = "delete the file, which costs fetching the media once more"

    @staticmethod
    def encode(record: Fetched) -> dict[str, Any]:
        """Turn a record into what stands in its line."""
        return asdict(record)

    @staticmethod
    def decode(line: dict[str, Any]) -> Fetched:
        """Turn what stands in a line into a record."""
        return Fetched(**line | {"reason": Reason(line["reason"]) if line["reason"] else None})


PATIENCE: Final = 20
"""Files of one host that may fail in a row before the rest is not asked for."""


class Hosts:
    """Which hosts do not answer. A lost update between threads costs an attempt, no more."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()

    def dead(self, address: str) -> bool:
        """Tell whether the last files of the address's host all failed."""
        return self._failures[_host(address)] >= PATIENCE

    def note(self, address: str, *, answered: bool) -> None:
        """Remember whether a host answered."""
        self._failures[_host(address)] = 0 if answered else self._failures[_host(address)] + 1


def _host(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


TRANSPORTS: Final[dict[str, Transport]] = {"http": open_web, "https": open_web}
"""Ways to read by an address's scheme; all others go through fsspec."""

LONGEST_WAIT_S: Final = 20.0
"""Seconds of silence after which a store counts as not answering, however much time a file may take."""

_log = logging.getLogger(__name__)


def fetch_files(
    addresses: Sequence[str], earlier: Mapping[str, Fetched], options: FetchOptions, limits: Limits
) -> Iterator[list[Fetched]]:
    """Fetch files in threads.

    Args:
        addresses: each once.
        earlier: what earlier runs fetched, by address.
        options: of fetching.
        limits: what a file may cost, in bytes and in seconds for one attempt.

    Yields:
        What is new, as it comes: files that were not there or have changed, and failures.

    Raises:
        ManifestError: an address needs a package that is not installed.
    """
    if not addresses:
        return
    sweep()
    known = {address: record for address in addresses if (record := _usable(earlier.get(address)))}
    asked = [address for address in addresses if options.recheck or address not in known]
    asked = [address for address in asked if address not in known or known[address].version]
    for name in ("media_fetched", "media_fetch_cached", "media_fetch_failed"):
        count(name, 0)
    count("media_fetch_cached", len(known.keys() - set(asked)))
    fetcher = Fetcher(known, options, limits)
    results = _in_threads(fetcher, asked, options.threads)
    with closing(results), bar("fetching media", len(asked), "file") as shown:
        for done in results:
            shown.update(len(done))
            new = [record for record in done if record is not None]
            failed = sum(record.reason is not None for record in new)
            count("media_fetch_failed", failed)
            count("media_fetched", len(new) - failed)
            count("media_fetch_cached", len(done) - len(new))
            if new:
                yield new


class Fetcher:
    """Fetches one file at a time; any number of threads may call it.

    Args:
        known: what earlier runs fetched and is still there, by address.
        options: of fetching.
        limits: what a file may cost, in bytes and in seconds for one attempt.
    """

    def __init__(self, known: Mapping[str, Fetched], options: FetchOptions, limits: Limits) -> None:
        self._known = known
        self._options = options
        self._limits = limits
        self._hosts = Hosts()

    def __call__(self, address: str) -> Fetched | None:
        """Fetch a file; None when the copy of an earlier run is to be used."""
        known = self._known.get(address)
        try:
            found = self._fetch(address, known.version if known else "")
            self._hosts.note(address, answered=True)
        except BadClipError as error:
            self._hosts.note(address, answered=not isinstance(error, TemporaryError))
            if known and error.reason in {Reason.UNREACHABLE, Reason.TIMEOUT}:
                _log.warning("%s: %s. The copy of an earlier run is used", address, error)
                return None
            return Fetched(address, reason=error.reason, detail=error.detail)
        return found

    def _fetch(self, address: str, known: str) -> Fetched | None:
        for attempt in range(1, self._options.attempts + 1):
            if self._hosts.dead(address):
                break
            try:
                return self._attempt(address, known)
            except TemporaryError:
                if attempt == self._options.attempts:
                    raise
                time.sleep(self._options.backoff_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))  # noqa: S311
        raise TemporaryError(f"not tried: {PATIENCE} other files of its host failed one after the other")

    def _attempt(self, address: str, known: str) -> Fetched | None:
        deadline = time.monotonic() + self._limits.timeout_s
        transport = TRANSPORTS.get(scheme_of(address), open_stored)
        with transport(address, known, min(self._limits.timeout_s, LONGEST_WAIT_S)) as body:
            if body is None:
                return None
            if body.size is not None and body.size > self._limits.max_bytes:
                detail = f"{body.size} bytes, more than {self._limits.max_bytes}"
                raise BadClipError(Reason.TOO_LARGE, detail)
            path = keep(self._timed(body, deadline), suffix_of(address), self._limits.max_bytes)
            return Fetched(address, path, body.version)

    def _timed(self, body: Body, deadline: float) -> Iterator[bytes]:
        for block in body.blocks:
            if time.monotonic() > deadline:
                raise BadClipError(Reason.TIMEOUT, f"not fetched after {self._limits.timeout_s:g} s")
            yield block


def _usable(record: Fetched | None) -> Fetched | None:
    return record if record and record.reason is None and from_stored(record.path).is_file() else None


def _in_threads(
    fetcher: Fetcher, addresses: Iterable[str], threads: int
) -> Generator[list[Fetched | None], None, None]:
    """Yield what is done whenever something is; no more than a few addresses a thread wait in line."""
    queue = iter(addresses)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fetch")
    pending: set[Future[Fetched | None]] = set()
    try:
        while pending := pending | {pool.submit(fetcher, item) for item in islice(queue, 4 * threads - len(pending))}:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield [future.result() for future in done]
    finally:
        pool.shutdown(cancel_futures=True)
        hang_up()

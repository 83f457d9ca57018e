import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import ConfigurationError, NoSpaceError
from cu_pipeline.service.security.api_keys import ApiKey, read_keys, write_keys

LOOK_EVERY_S: Final = 1.0

_logger = logging.getLogger("bentoml.cu_pipeline")

Signature = tuple[int, int, int, int]


class Keyring:
    """The keys of a running service, which follow their file.

    A file that is damaged, opened to others or removed while the service runs changes nothing but its log: the keys
    that it held before stay valid, for workers that start then too. A file that appears ends the service without keys.

    Args:
        path: of the file, which may be absent.
        former: where this start of the service keeps what the file held; None: nowhere.
        clock: seconds that never go back.

    Raises:
        ConfigurationError: there is a file that cannot be used.
    """

    def __init__(self, path: Path, former: Path | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._former = former
        self._clock = clock
        self._keys = self._read_former()
        self._seen = self._signature()
        self._looked = clock()
        if self._keys is not None:
            self._read()
        elif self._seen:
            self._take(read_keys(path))

    def keys(self) -> tuple[ApiKey, ...] | None:
        """The keys as the file has them, or had them at most a second ago; None: there was never a file."""
        if (now := self._clock()) - self._looked >= LOOK_EVERY_S:
            self._looked = now
            self._look()
        return self._keys

    def _look(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        self._read()

    def _read(self) -> None:
        try:
            self._take(read_keys(self._path))
        except ConfigurationError as error:
            _logger.error("%s. Until then the former keys stay valid", error)
        except FileNotFoundError:
            _logger.error(
                "the API keys in %s are gone: those that it held stay valid until it is back or the service restarts. "
                "To take keys back: kedro keys revoke NAME",
                self._path,
            )
        else:
            _logger.info("API keys from now on: %d", len(self._keys or ()))

    def _read_former(self) -> tuple[ApiKey, ...] | None:
        return read_keys(self._former) if self._former and self._former.exists() else None

    def _take(self, keys: tuple[ApiKey, ...]) -> None:
        self._keys = keys
        if self._former:
            try:
                write_keys(self._former, keys)
            except (OSError, NoSpaceError) as error:  # what is asked now goes on; a worker that starts later may not
                _logger.error("the API keys could not be kept for other workers: %s", error)

    def _signature(self) -> Signature | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode

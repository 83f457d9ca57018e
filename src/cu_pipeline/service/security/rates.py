"""How often one caller may ask: token buckets, of bounded number."""

import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import AfterValidator

from cu_pipeline.core.errors import ConfigurationError

_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,6})/([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
MOST_CALLERS: Final = 4096


@dataclass(frozen=True)
class Rate:
    """Requests that a caller may make.

    Attributes:
        requests: at once, after a rest.
        seconds: in which that many come back, evenly.
    """

    requests: int
    seconds: int

    @classmethod
    def parse(cls, written: str) -> "Rate":
        """Read a rate as people write it.

        >>> Rate.parse("600/m")
        Rate(requests=600, seconds=60)

        Raises:
            ConfigurationError: it is none.
        """
        if not (found := _WRITTEN.fullmatch(written)):
            raise ConfigurationError(
                f"{written!r} is no rate: give 1 to 9999999 requests per second, minute or hour, such as 10/s, 600/m"
            )
        return cls(int(found[1]), _SECONDS[found[2]])


def _checked(written: str) -> str:
    try:
        Rate.parse(written)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    return written


WrittenRate = Annotated[str, AfterValidator(_checked)]


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Counts the requests of each caller against a rate.

    The callers that were not seen for longest are forgotten first, which leaves them a full bucket.

    Args:
        clock: seconds that never go back.
        most: callers to remember.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = MOST_CALLERS) -> None:
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, caller: str, rate: Rate) -> int:
        """Count one request.

        Args:
            caller: who asks.
            rate: that this caller is held to.

        Returns:
            0: it may pass; else the whole seconds, at least 1, after which the next one may.
        """
        now = self._clock()
        bucket = self._buckets.pop(caller, None) or _Bucket(rate.requests, now)
        refilled = bucket.tokens + (now - bucket.at) * rate.requests / rate.seconds
        bucket.tokens, bucket.at = min(refilled, float(rate.requests)), now
        self._buckets[caller] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return max(math.ceil((1 - bucket.tokens) * rate.seconds / rate.requests), 1)
        bucket.tokens -= 1
        return 0

from collections import Counter
from typing import Final

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

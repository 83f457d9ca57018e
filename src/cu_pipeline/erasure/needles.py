"""Finding many strings in bytes at once, whole words only."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

SHORTEST: Final = 6
"""Bytes of the shortest string that is looked for inside others; a shorter one stands in too much that is not it."""

_BLOCK: Final = 2**24
_PAIRS: Final = SHORTEST // 2
_HASH: Final = re.compile(rb"[0-9a-f]{16,}")


class Needles:
    """Strings to be found inside others; how long it takes hardly depends on how many there are.

    Every place of a text is held against three tables of byte pairs, and only what passes all three is compared.

    Args:
        strings: those of fewer than `SHORTEST` bytes are left out.
    """

    def __init__(self, strings: Iterable[str]) -> None:
        found = {one.encode("utf-8", "surrogatepass") for one in strings}
        self._by_start: dict[bytes, list[bytes]] = defaultdict(list)
        self._tables = np.zeros((_PAIRS, 2**16), dtype=bool)
        for one in found:
            if len(one) >= SHORTEST:
                self._by_start[one[:SHORTEST]].append(one)
                for place in range(_PAIRS):
                    self._tables[place, one[2 * place] | one[2 * place + 1] << 8] = True
        self._longest = max(map(len, found), default=0)

    def find(self, data: bytes, *, whole: bool = True) -> Iterator[tuple[int, bytes]]:
        """Find places and what stands there, in order.

        Args:
            data: to look in.
            whole: only where neither neighbour goes on with the word; `.` and `-` do so before a letter or digit.
        """
        if not self._by_start:
            return
        for begin in range(0, len(data), _BLOCK):
            block = data[begin : begin + _BLOCK + self._longest]
            for place in self._candidates(block):
                if place < _BLOCK:
                    yield from self._compared(data, begin + int(place), whole=whole)

    def rows(self, values: Sequence[str]) -> set[int]:
        """Find the places of those values of a list that hold a string."""
        if not self._by_start or not values:
            return set()
        encoded = [value.encode("utf-8", "surrogatepass") for value in values]
        ends = np.cumsum([len(one) + 1 for one in encoded])
        found = [place for place, _ in self.find(b"\0".join(encoded))]
        return set(np.searchsorted(ends, found, side="right").tolist())

    def _candidates(self, block: bytes) -> NDArray[np.int64]:
        if len(block) < SHORTEST:
            return np.empty(0, dtype=np.int64)
        octets = np.frombuffer(block, dtype=np.uint8).astype(np.uint16)
        pairs = octets[:-1] | octets[1:] << 8
        last = len(block) - SHORTEST + 1
        places = np.flatnonzero(self._tables[0][pairs[:last]])
        for number in range(1, _PAIRS):
            places = places[self._tables[number][pairs[places + 2 * number]]]
        return places

    def _compared(self, data: bytes, place: int, *, whole: bool) -> Iterator[tuple[int, bytes]]:
        for one in self._by_start.get(data[place : place + SHORTEST], ()):
            end = place + len(one)
            if data[place:end] == one and not (whole and _is_part(data, place, end, one)):
                yield place, one


def _is_part(data: bytes, begin: int, end: int, needle: bytes) -> bool:
    """Whether a word goes on before or behind a place; a hash does by a letter or digit alone: `HASH-2.jpg` has it."""
    if _HASH.fullmatch(needle):
        return _in_word(data, begin - 1) or _in_word(data, end)
    return _goes_on(data, begin, -1) or _goes_on(data, end - 1, 1)


def _goes_on(data: bytes, place: int, step: int) -> bool:
    """Whether a word goes on beyond a place.

    >>> _goes_on(b"ann-b", 2, 1), _goes_on(b"ann. B", 2, 1), _goes_on(b"ann", 2, 1), _goes_on(b"x/ann", 2, -1)
    (True, False, False, False)
    """
    near, far = place + step, place + 2 * step
    if _in_word(data, near):
        return True
    return 0 <= near < len(data) and data[near] in b".-" and _in_word(data, far)


def _in_word(data: bytes, place: int) -> bool:
    return 0 <= place < len(data) and ((chr(data[place]).isalnum() and data[place] < 128) or data[place] == ord("_"))

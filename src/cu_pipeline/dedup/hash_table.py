"""The perceptual hashes of many files, without a Python object for each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cu_pipeline.media.perceptual import FRAMES, WORDS, Hashes

_KEYS: Final = pa.large_string()
_TOGETHER: Final = 8192
"""Records that are objects at one time."""


@dataclass(frozen=True)
class Hashed:
    """The perceptual hashes of one file.

    Attributes:
        key: of the file's bytes, and of how its frames are decoded and hashed.
        hashes: shape (FRAMES, 2, WORDS); None when its frames do not all decode.
    """

    key: str
    hashes: Hashes | None = None


class HashTable(Mapping[str, Hashed]):
    """Hashes by key, 0.6 kB a file.

    Args:
        records: of several with a key the last one counts.
    """

    def __init__(self, records: Iterable[Hashed] = ()) -> None:
        keys, hashes, present = [pa.array([], _KEYS)], [_nothing(0)], list[bool]()
        left = iter(records)
        while some := list(islice(left, _TOGETHER)):
            found = _nothing(len(some))
            for row, one in enumerate(some):
                if one.hashes is not None:
                    found[row] = one.hashes
            keys.append(pa.array([one.key for one in some], _KEYS))
            hashes.append(found)
            present.extend(one.hashes is not None for one in some)
        self._keys = pa.concat_arrays(keys)
        self._hashes = np.concatenate(hashes)
        self._present = np.array(present, dtype=np.bool_)

    def __len__(self) -> int:
        return int(pc.count_distinct(self._keys).as_py())

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys.unique().to_pylist())

    def __getitem__(self, key: str) -> Hashed:
        (row,) = self.rows([key])
        if row < 0:
            raise KeyError(key)
        return Hashed(key, self._hashes[row] if self._present[row] else None)

    def rows(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The row of each key, int64 (n); -1 where it is not known."""
        last = len(self._keys) - 1
        backwards = self._keys.take(pa.array(np.arange(last, -1, -1)))
        found = pc.index_in(pa.array(keys, _KEYS), value_set=backwards).fill_null(last + 1)
        rows: NDArray[np.int64] = last - found.to_numpy().astype(np.int64)
        return rows

    def shown(self, keys: Sequence[str]) -> tuple[NDArray[np.int64], Hashes]:
        """The hashes of the keys that have some.

        Returns:
            Their places among the keys, int64 (m), and the hashes, shape (m, FRAMES, 2, WORDS).
        """
        rows = self.rows(keys)
        places = np.flatnonzero(rows >= 0)
        places = places[self._present[rows[places]]]
        return places, self._hashes[rows[places]]


def _nothing(count: int) -> Hashes:
    return np.zeros((count, FRAMES, 2, WORDS), dtype=np.uint64)

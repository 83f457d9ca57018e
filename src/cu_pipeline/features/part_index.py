"""Where each content's features are among the parts of a store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cu_pipeline.features.parts import Part, keys_of

_KEYS: Final = pa.large_string()
"""Two thousand million characters, the limit of a plain string array, are 33 million keys."""


@dataclass(frozen=True)
class PartIndex:
    """The keys of a feature's parts, in order, without a Python object for each.

    Attributes:
        parts: in the order in which they are looked at: of several with the same key the first counts.
        state: what tells the parts from others, and from themselves after a change.
        keys: of all rows of all parts.
        starts: int64 (parts + 1): rows before each part, and all rows.
    """

    parts: Sequence[Part]
    state: tuple[Any, ...]
    keys: pa.Array
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[Part], state: tuple[Any, ...]) -> Self:
        """Read the keys of parts.

        Raises:
            StoreError: a part is damaged.
        """
        keys = [pa.array(keys_of(part), _KEYS) for part in parts]
        starts = np.cumsum([0, *map(len, keys)], dtype=np.int64)
        return cls(parts, state, pa.concat_arrays(keys) if keys else pa.array([], _KEYS), starts)

    def rows(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The row of each key among those of all parts, int64 (n); -1 where it is not stored."""
        found = pc.index_in(pa.array(keys, _KEYS), value_set=self.keys)
        rows: NDArray[np.int64] = pc.fill_null(found, -1).to_numpy().astype(np.int64)
        return rows

    def read(self) -> NDArray[np.bool_]:
        """Which rows are read: bool (n of all parts), those whose key no row before has."""
        first: NDArray[np.bool_] = pc.index_in(self.keys, value_set=self.keys).to_numpy() == np.arange(len(self.keys))
        return first

    def by_part(self, rows: NDArray[np.int64]) -> Iterator[tuple[Part, NDArray[np.int64], NDArray[np.int64]]]:
        """Divide wanted rows among the parts.

        Args:
            rows: (n), as `rows` gives them.

        Yields:
            Each part that has any, positions among the n, and the part's rows that they want.
        """
        wanted = np.flatnonzero(rows >= 0)
        places = np.searchsorted(self.starts, rows[wanted], side="right") - 1
        order = np.argsort(places, kind="stable")
        found, firsts = np.unique(places[order], return_index=True)
        for place, targets in zip(found, np.split(wanted[order], firsts[1:]), strict=False):
            yield self.parts[place], targets, rows[targets] - self.starts[place]


def state_of(part: Part) -> Any:
    """What tells a part from others, and from itself after a change."""
    if isinstance(part, Path):
        status = part.stat()
        return part.name, status.st_mtime_ns, status.st_size, status.st_ino
    return part.entry.name, part.entry.sha256

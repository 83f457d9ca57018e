"""Embeddings of many answers: in memory as long as they are few, more in a file without a name."""

import builtins
import os
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray, ExtensionDtype

from cu_pipeline.core.atomic import no_space_told
from cu_pipeline.core.batch_file import FOLDER
from cu_pipeline.core.paths import from_stored

HELD: Final = 2**26
"""Bytes that are held in memory; of more all lie in the file."""

_AT_ONCE: Final = 4096
"""Vectors that are read at once where all are."""

Half = NDArray[np.float16]


class Vectors:
    """Vectors of one width that are added one by one; afterwards any of them can be read.

    The file lies on the project's disk and vanishes when nobody holds the vectors any longer, also when the process is
    killed.

    Args:
        size: bytes of each, little-endian float16.
    """

    def __init__(self, size: int) -> None:
        self.width, self.count = size // 2, 0
        self._size, self._held, self._file = size, bytearray(), None

    _file: IO[bytes] | None

    def add(self, payload: bytes) -> int:
        """Add a vector; give its number.

        Raises:
            NoSpaceError: the disk is full.
        """
        self._held += payload
        self.count += 1
        if len(self._held) > HELD:
            self._write()
        return self.count - 1

    def rows(self, numbers: NDArray[np.int64]) -> Half:
        """Read vectors by their numbers, (n,): (n, width)."""
        if self._file is None:
            whole = np.frombuffer(self._held, dtype="<f2").reshape(self.count, self.width)
            return whole if len(numbers) == self.count and (np.diff(numbers) == 1).all() else whole[numbers]
        if self._held:
            self._write()
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1) if len(numbers) else []
        read = [os.pread(self._file.fileno(), len(run) * self._size, int(run[0]) * self._size) for run in runs]
        return np.frombuffer(b"".join(read), dtype="<f2").reshape(len(numbers), self.width)

    def _write(self) -> None:
        folder = from_stored(FOLDER)
        with no_space_told(folder):
            if self._file is None:
                self._file = _nameless(folder)
                weakref.finalize(self, self._file.close)
            self._file.write(self._held)
            self._file.flush()
        self._held = bytearray()


def _nameless(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


class VectorType(ExtensionDtype):
    """The type of a column of vectors."""

    name = "vector"
    type = np.ndarray
    na_value = None

    @classmethod
    def construct_array_type(cls) -> "builtins.type[VectorColumn]":
        """The array that holds them."""
        return VectorColumn


class VectorColumn(ExtensionArray):
    """A column of pandas with a vector in each row, which is read when it is asked for.

    Args:
        stores: of the vectors, one for each width.
        store: which of them each row's vector is in, (n,).
        number: of the vector there, (n,).
    """

    def __init__(self, stores: Sequence[Vectors], store: NDArray[np.int64], number: NDArray[np.int64]) -> None:
        self._stores, self._store, self._number = tuple(stores), store, number

    @property
    def dtype(self) -> VectorType:
        """Of the column."""
        return VectorType()

    @property
    def nbytes(self) -> int:
        """Of what is held in memory for the rows, but for vectors."""
        return int(self._store.nbytes + self._number.nbytes)

    def __len__(self) -> int:
        return len(self._number)

    def __getitem__(self, item: Any) -> Any:
        if isinstance(item, int | np.integer):
            return self._stores[self._store[item]].rows(self._number[item : item + 1 or None])[0]
        place = pd.api.indexers.check_array_indexer(self, item)
        return VectorColumn(self._stores, self._store[place], self._number[place])

    def __iter__(self) -> Iterator[Half]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self[start : start + _AT_ONCE].read()

    def read(self) -> list[Half]:
        """Read all vectors, each (width,)."""
        found: list[Any] = [None] * len(self)
        for place, store in enumerate(self._stores):
            mine = np.flatnonzero(self._store == place)
            for row, vector in zip(mine, store.rows(self._number[mine]), strict=True):
                found[row] = vector
        return found

    def matrix(self) -> Half | None:
        """Read all vectors, (n, width); None where they have several widths."""
        stores = np.unique(self._store)
        return self._stores[stores[0]].rows(self._number) if len(stores) == 1 else None

    def isna(self) -> Any:
        """No vector is missing."""
        return np.zeros(len(self), dtype=np.bool_)

    def take(self, indices: Any, *, allow_fill: bool = False, fill_value: Any = None) -> Self:
        """Choose rows; none may be filled."""
        places = np.asarray(indices, dtype=np.int64)
        if allow_fill and (places < 0).any():
            raise ValueError(f"a row without a vector cannot hold {fill_value!r}")
        return type(self)(self._stores, self._store[places], self._number[places])

    def copy(self) -> Self:
        """The same; vectors never change."""
        return type(self)(self._stores, self._store, self._number)

    @classmethod
    def _concat_same_type(cls, to_concat: Sequence["VectorColumn"]) -> "VectorColumn":
        stores = [store for one in to_concat for store in one._stores]
        starts = np.cumsum([0, *(len(one._stores) for one in to_concat)])
        store = np.concatenate([one._store + start for one, start in zip(to_concat, starts, strict=False)])
        return cls(stores, store, np.concatenate([one._number for one in to_concat]))

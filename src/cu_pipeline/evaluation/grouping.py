"""Clips in groups, whose sums are all that resampling needs."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True)
class Grouping:
    """To which of several groups each of n clips belongs.

    Attributes:
        places: int64 (n): of the groups.
        count: how many groups there are.
    """

    places: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, names: NDArray[Any]) -> Self:
        """Clips that share a name are a group; groups are in the order of their names, as texts."""
        if names.dtype == object and pd.api.types.infer_dtype(names, skipna=False) == "string":
            places, known = pd.factorize(names, sort=True)
            return cls(places.astype(np.int64), len(known))
        distinct, places = np.unique(names.astype(str), return_inverse=True)
        return cls(places.astype(np.int64), len(distinct))

    @classmethod
    def whole(cls, n: int) -> Self:
        """All clips are one group."""
        return cls(np.zeros(n, dtype=np.int64), 1)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Clips of each group: (count)."""
        return np.bincount(self.places, minlength=self.count).astype(np.int64)

    def taken(self, rows: NDArray[np.bool_]) -> "Grouping":
        """The groups of some of the clips, where rows (n) says so."""
        distinct, places = np.unique(self.places[rows], return_inverse=True)
        return Grouping(places, len(distinct))

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Add up values (n, *shape) within groups: (count, *shape)."""
        flat = values.reshape(len(values), int(np.prod(values.shape[1:]))).astype(np.float64)
        found = np.zeros((self.count, flat.shape[1]))
        for place, column in enumerate(flat.T):
            found[:, place] = np.bincount(self.places, column, self.count)
        return found.reshape(self.count, *values.shape[1:])

    def merged(self, most: int, random: np.random.Generator) -> "Grouping":
        """Put groups together at random, so that there are at most `most`, each of about as many groups."""
        if self.count <= most:
            return self
        return Grouping((random.permutation(self.count) % most)[self.places], most)

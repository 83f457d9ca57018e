"""Words and characters of texts as sparse numbers, without a vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.models.family import Weights

_COLUMNS: Final = 2**20
"""Hashes of each kind: among 100,000 different words a word shares its column with another with probability 9 %."""

_MOST: Final = 200_000
"""Columns of each kind that are kept, those of the most texts, which bounds what a model takes on disk."""

_FEWEST: Final = (1, 2)
"""Texts that a word, and a sequence of characters, must be in."""

_LEAST_SHARE: Final = 1 / 20_000
"""Of many texts, those that a column must be in, two at least: what is rarer tells little, and most columns are."""

_BLOCK: Final = 20_000
"""Texts that are counted at a time, which bounds the memory that this takes."""


@dataclass(frozen=True)
class TextCounts:
    """Which words and sequences of characters count, and how much.

    Words are single ones and pairs. Characters are sequences of 1 to 5 within words, spaces around them included, so
    that scripts without spaces, misspellings and endings count too. A count c weighs (1 + ln c) times the inverse
    document frequency of its column; words and characters of a text have length 1 each.

    Source: Weinberger et al., "Feature Hashing for Large Scale Multitask Learning" (ICML 2009), without signs.

    Attributes:
        columns: int64 (m), sorted; hashes of words, then those of characters plus `_COLUMNS`.
        rarity: float32 (m): inverse document frequencies.
    """

    columns: NDArray[np.int64]
    rarity: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Choose the columns from texts; of none there are none."""
        return cls.learn(texts)[0]

    @classmethod
    def learn(cls, texts: Sequence[str], *, many: bool = False) -> tuple[Self, Any]:
        """Choose the columns from texts, and count in these, which are read once for both.

        Args:
            texts: to learn from.
            many: whether they, or those that they are a sample of, are so many that rare columns are left out.

        Returns:
            The counts, and what `matrix` says of the texts; of many as float32.
        """
        blocks = [_counted(texts[start : start + _BLOCK]) for start in range(0, len(texts), _BLOCK)]
        kept, rarity, numbers = [], [], 0
        for place, few in enumerate(_FEWEST):
            fewest = max(2, ceil(len(texts) * _LEAST_SHARE)) if many else few
            seen = np.zeros(_COLUMNS, dtype=np.int64)
            for block in blocks:
                seen += np.bincount(block[place].indices, minlength=_COLUMNS)
            usual = np.flatnonzero(seen >= fewest)
            usual = np.sort(usual[np.argsort(-seen[usual], kind="stable")[:_MOST]])
            kept.append(usual + place * _COLUMNS)
            rarity.append(np.log((1 + len(texts)) / (1 + seen[usual])) + 1)
            numbers += int(seen[usual].sum())
        found = cls(np.concatenate(kept).astype(np.int64), np.concatenate(rarity).astype(np.float32))
        return found, found._stacked(blocks, len(texts), numbers, np.float32 if many else np.float64)

    @classmethod
    def load(cls, weights: Weights) -> Self:
        """Take what `weights` gave."""
        return cls(weights["columns"], weights["rarity"])

    def weights(self) -> dict[str, NDArray[Any]]:
        """What is needed to make it again."""
        return {"columns": self.columns, "rarity": self.rarity}

    def matrix(self, texts: Sequence[str]) -> Any:
        """Count in texts: sparse float64 (n, m)."""
        return self._weighed(_counted(texts))

    def _stacked(self, blocks: list[list[Any]], rows: int, numbers: int, precision: type[Any]) -> Any:
        """Weigh blocks of counts, whose memory is given back on the way, into one matrix: sparse (rows, m).

        Args:
            blocks: of `_counted`; empty afterwards.
            rows: that they have together.
            numbers: that they have in the columns that are kept.
            precision: of the matrix.
        """
        from scipy import sparse

        places = np.int32 if numbers <= np.iinfo(np.int32).max else np.int64
        data, indices = np.empty(numbers, dtype=precision), np.empty(numbers, dtype=places)
        ends, row = np.zeros(rows + 1, dtype=places), 0
        blocks.reverse()
        while blocks:
            block = self._weighed(blocks.pop()).astype(precision, copy=False)
            own = slice(ends[row], ends[row] + block.nnz)
            data[own], indices[own] = block.data, block.indices
            ends[row + 1 : row + 1 + block.shape[0]] = ends[row] + block.indptr[1:]
            row += block.shape[0]
            del block
        return sparse.csr_matrix((data, indices, ends), shape=(rows, len(self.columns)), copy=False)

    def _weighed(self, counts: Sequence[Any]) -> Any:
        """Weigh the counts of all hashes of each kind, as float32, by the columns that are kept."""
        from scipy import sparse
        from sklearn.preprocessing import normalize

        parts = []
        for place, every in enumerate(counts):
            mine = (self.columns >= place * _COLUMNS) & (self.columns < (place + 1) * _COLUMNS)
            counted = every[:, self.columns[mine] - place * _COLUMNS].astype(np.float64)
            counted.data = 1 + np.log(counted.data)
            weighted = counted @ sparse.diags(self.rarity[mine].astype(np.float64))
            parts.append(normalize(weighted) if mine.any() else weighted)
        return sparse.hstack(parts, format="csr") / np.sqrt(len(parts))


def _counted(texts: Sequence[str]) -> list[Any]:
    """How often each hash of each kind is in texts: sparse (n, hashes); whole numbers, which float32 holds."""
    return [counter.transform(texts).astype(np.float32) for counter in _counters()]


@cache
def _counters() -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer

    common: dict[str, Any] = {"n_features": _COLUMNS, "alternate_sign": False, "norm": None}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **common)  # noqa: S106
    return words, HashingVectorizer(analyzer="char_wb", ngram_range=(1, 5), **common)

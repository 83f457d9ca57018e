"""Words and characters of texts as sparse numbers, without a vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
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
        kept, rarity = [], []
        for place, (counter, fewest) in enumerate(zip(_counters(), _FEWEST, strict=True)):
            seen = _document_frequencies(counter.transform(texts)) if len(texts) else np.zeros(0, dtype=np.int64)
            usual = np.flatnonzero(seen >= fewest)
            usual = np.sort(usual[np.argsort(-seen[usual], kind="stable")[:_MOST]])
            kept.append(usual + place * _COLUMNS)
            rarity.append(np.log((1 + len(texts)) / (1 + seen[usual])) + 1)
        return cls(np.concatenate(kept).astype(np.int64), np.concatenate(rarity).astype(np.float32))

    @classmethod
    def load(cls, weights: Weights) -> Self:
        """Take what `weights` gave."""
        return cls(weights["columns"], weights["rarity"])

    def weights(self) -> dict[str, NDArray[Any]]:
        """What is needed to make it again."""
        return {"columns": self.columns, "rarity": self.rarity}

    def matrix(self, texts: Sequence[str]) -> Any:
        """Count in texts: sparse float64 (n, m)."""
        from scipy import sparse
        from sklearn.preprocessing import normalize

        parts = []
        for place, counter in enumerate(_counters()):
            mine = (self.columns >= place * _COLUMNS) & (self.columns < (place + 1) * _COLUMNS)
            counted = counter.transform(texts)[:, self.columns[mine] - place * _COLUMNS]
            counted.data = 1 + np.log(counted.data)
            weighted = counted @ sparse.diags(self.rarity[mine].astype(np.float64))
            parts.append(normalize(weighted) if mine.any() else weighted)
        return sparse.hstack(parts, format="csr") / np.sqrt(len(parts))


def _document_frequencies(counted: Any) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.bincount(counted.indices, minlength=counted.shape[1])
    return found


@cache
def _counters() -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import HashingVectorizer

    common: dict[str, Any] = {"n_features": _COLUMNS, "alternate_sign": False, "norm": None}
    words = HashingVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **common)  # noqa: S106
    return words, HashingVectorizer(analyzer="char_wb", ngram_range=(1, 5), **common)

"""Languages of captions: tags as BCP 47 (RFC 5646) writes them, and what they are where the feed does not tell."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.ingest.options import LanguageOptions

UNDETERMINED: Final = "und"
"""The tag that says nothing."""

_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3})"
    r"(?:-(?P<script>[a-z]{4}))?"
    r"(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<rest>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*(?:-[0-9a-wyz](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?)"
)


@lru_cache
def language_tag(value: str) -> str:
    """Write a feed's tag in BCP 47's usual spelling; "" for what is no tag or says nothing.

    Only the form is checked, not whether the parts are registered.

    >>> language_tag("en_us"), language_tag("ZH-hant-tw"), language_tag("English")
    ('en-US', 'zh-Hant-TW', '')
    """
    match = _TAG.fullmatch(value.strip().replace("_", "-").lower())
    if match is None or match["language"] == UNDETERMINED:
        return ""
    script, region = match["script"], match["region"]
    parts = (match["language"], script.title() if script else "", region.upper() if region else "")
    return "-".join(part for part in parts if part) + match["rest"]


def odd_tags(values: Iterable[str]) -> Counter[str]:
    """Count the values that are no tags."""
    given = Counter(value.strip() for value in values)
    return Counter({value: n for value, n in given.items() if value and not _is_tag(value)})


def _is_tag(value: str) -> bool:
    return bool(language_tag(value)) or value.lower() == UNDETERMINED


BATCH: Final = 4096
"""Captions that are looked at together."""

MOST_BYTES: Final = 512
"""Of a caption; what comes after says no more about its language."""

_NO_WORDS: Final = re.compile(r"(?:https?://|www\.)\S+|[#＃@]\S+")
_NO_LANGUAGE: Final = "zxx"


class _Words(dict[int, int]):
    """Leaves letters and their marks, and puts spaces in place of other characters."""

    def __missing__(self, code: int) -> int:
        self[code] = code if unicodedata.category(chr(code))[0] in "LM" else ord(" ")
        return self[code]


_WORDS: Final = _Words()


def name_languages(rows: pd.DataFrame, options: LanguageOptions) -> pd.DataFrame:
    """Fill in the language of rows that have none, from their captions.

    Args:
        rows: with `text`, `lang` and `lang_source`.
        options: how sure it must be; what is less sure stays "".

    Returns:
        The rows, with `lang` and `lang_source` of those that were named.
    """
    unnamed = (rows["lang"] == "") & (rows["text"] != "")
    if not options.enabled or not unnamed.any():
        return rows
    found = identify(rows.loc[unnamed, "text"].tolist(), options.least_probability)
    filled = rows.copy()
    filled.loc[unnamed, "lang"] = found
    filled.loc[unnamed, "lang_source"] = ["identified" if tag else "" for tag in found]
    return filled


def identify(captions: Sequence[str], least_probability: float) -> list[str]:
    """Tell the language of each caption as a tag of two letters, or "" where it is not sure.

    Emoji, digits, addresses, hashtags and mentions do not count.
    """
    encoded = [_words(caption) for caption in captions]
    tags: list[str] = []
    for start in range(0, len(encoded), BATCH):
        names, probabilities = _model().probabilities(encoded[start : start + BATCH])
        best = probabilities.argmax(axis=1)
        sure = probabilities.max(axis=1) >= least_probability
        tags += [names[place] if one else "" for place, one in zip(best, sure, strict=True)]
    return ["" if tag == _NO_LANGUAGE else tag for tag in tags]


def _words(caption: str) -> bytes:
    words = " ".join(_NO_WORDS.sub(" ", caption).translate(_WORDS).split())
    return (words.lower() if words.isupper() else words).encode("utf-8", "ignore")[:MOST_BYTES]


@cache
def _model() -> "_NaiveBayes":
    return _NaiveBayes()


class _NaiveBayes:
    """The model of py3langid (Lui and Baldwin 2012), for many captions at once.

    The library looks at one caption at a time. This gives the same probabilities several times as fast. Languages
    without a tag of two letters are left out: most are close to a larger one and are found in its place.
    """

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        model = LanguageIdentifier.from_model_file(MODEL_FILE)
        kept = [place for place, tag in enumerate(model.nb_classes) if len(tag) == 2 or tag == _NO_LANGUAGE]
        self._next = np.asarray(model.tk_nextmove)
        self._row = np.asarray(model.tk_row, dtype=np.int64) << 8
        self._feature = np.asarray(model.tk_output, dtype=np.int64)
        # in rows: SciPy copies other layouts for each product, which takes longer than all else of one caption
        self._weights = np.ascontiguousarray(model.nb_ptc[:, kept], dtype=np.float32)
        self._prior = model.nb_pc[kept].astype(np.float32)
        tags = [model.nb_classes[place] for place in kept]
        self._tags = list(dict.fromkeys(tags))
        # a language in two scripts has two classes
        self._fold = np.array([[tag == one for one in self._tags] for tag in tags], dtype=np.float32)

    def probabilities(self, captions: Sequence[bytes]) -> tuple[list[str], NDArray[np.float32]]:
        """Compute the tags, and each one's probability for each caption: (captions, tags)."""
        lengths = np.array([max(len(caption), 1) for caption in captions], dtype=np.float32)
        features = self._features(captions)
        known = np.diff(features.indptr) > 0
        scores = np.where(known[:, None], features @ self._weights + self._prior, 0) / np.sqrt(lengths)[:, None]
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return self._tags, shares / shares.sum(axis=1, keepdims=True) @ self._fold

    def _features(self, captions: Sequence[bytes]) -> Any:
        """Compute the logarithm of one plus each feature's count: a sparse matrix, (captions, features)."""
        from scipy.sparse import csr_array

        order = np.argsort([-len(caption) for caption in captions], kind="stable")
        width = max((len(caption) for caption in captions), default=0)
        padded = np.frombuffer(b"".join(captions[place].ljust(width) for place in order), dtype=np.uint8)
        letters = padded.reshape(len(captions), width)
        remaining = np.array([len(captions[place]) for place in order])
        states = np.zeros(len(captions), dtype=np.int64)
        rows, features = [], []
        for column in range(width):
            active = int(np.searchsorted(-remaining, -column))  # the first ones, which are longer
            states[:active] = self._next[self._row[states[:active]] + letters[:active, column]]
            found = self._feature[states[:active]]
            (hit,) = np.nonzero(found >= 0)
            rows.append(order[hit])
            features.append(found[hit])
        size = len(self._weights)
        places = np.concatenate([np.empty(0, np.int64), *rows]) * size + np.concatenate(
            [np.empty(0, np.int64), *features]
        )
        where, counts = np.unique(places, return_counts=True)
        shape = (len(captions), size)
        return csr_array((np.log1p(counts.astype(np.float32)), (where // size, where % size)), shape=shape)

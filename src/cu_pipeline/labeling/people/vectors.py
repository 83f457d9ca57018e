"""Clips as short vectors, by which the queue tells how alike two of them are and what people would say of them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.features.clip_features import ClipFeatures, Feature, content_column, read_features
from cu_pipeline.features.extractor import Extractor, form_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.expert_views import Standardised

Vectors = NDArray[np.float64]
"""A row a clip."""

WIDTH: Final = 128
"""Numbers, at most, that a feature comes to: with twice as many a regression on them was right no more often."""

_COLUMNS: Final = 4096
"""Hashes of words."""

_WORD: Final = r"\w+"


def clip_vectors(captions: Sequence[str], features: ClipFeatures | None = None) -> Vectors:
    """Put what is known of n clips side by side: words of their captions, and their features that are numbers.

    Each part is turned onto its principal components, and is zero where a clip lacks it. The parts of a clip have
    length 1 on average, so that they count alike whatever their widths.

    Args:
        captions: of n clips, "" where there is none.
        features: of the same clips; None: none are stored.

    Returns:
        (n, width), with a width of 0 where nothing is known.
    """
    parts = [_words(captions)]
    for name, feature in features.vectors().items() if features else ():
        for summary in feature.summaries(name).values():
            mine = Feature(summary, feature.present)
            parts.append(_short(Standardised.fit(mine).matrix(mine)))
    return np.concatenate(parts, axis=1)


def stored_vectors(clips: pd.DataFrame, store: FeatureStore, extractors: Iterable[Extractor]) -> ClipFeatures:
    """Read the features of clips that are numbers and are stored; a run that only labels may have none yet.

    Args:
        clips: rows of the table of clips.
        store: of features.
        extractors: in use.
    """
    inputs = {}
    for extractor in extractors:
        if form_of(extractor.identity.shape) != "vectors":
            continue
        name, key = extractor.identity.name, FeatureInput.of(extractor)
        contents = {content for content in clips[content_column(name)] if content}
        if len(store.missing(key, sorted(contents))) < len(contents):
            inputs[name] = key
    return read_features(clips, store, inputs)


def rows_of_length_one(vectors: Vectors) -> Vectors:
    """Scale rows to length 1, for cosines; a row of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))


def _words(captions: Sequence[str]) -> Vectors:
    """TF-IDF of words."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    if not len(captions):
        return np.zeros((0, 0))
    counts = HashingVectorizer(n_features=_COLUMNS, alternate_sign=False, norm=None, token_pattern=_WORD)
    matrix = TfidfTransformer(sublinear_tf=True).fit_transform(counts.transform(captions)).tocsr()
    return _short(matrix[:, np.flatnonzero(matrix.getnnz(axis=0))])


def _short(matrix: Any) -> Vectors:
    """Keep the `WIDTH` directions in which rows (n, columns) differ most, in a fixed way."""
    from sklearn.utils.extmath import randomized_svd

    if min(matrix.shape) <= WIDTH:
        return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float64)
    left, lengths, _ = randomized_svd(matrix, WIDTH, n_iter=4, random_state=0)
    return np.asarray(left * lengths, dtype=np.float64)

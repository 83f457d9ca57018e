"""Simple models measured on the same test split, so that a number says whether the model earns its keep."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes", "has_audio")


@dataclass(frozen=True)
class BaselineData:
    """What a baseline may look at, for n clips.

    Attributes:
        texts: captions.
        vectors: extractor -> float32 (n, width): the mean of its feature; zeros where absent.
        facts: float64 (n, facts) of the media; NaN without video.
        truth: bool (n, classes).
    """

    texts: list[str]
    vectors: Mapping[str, NDArray[np.float32]]
    facts: NDArray[np.float64]
    truth: NDArray[np.bool_]


def facts_of(clips: pd.DataFrame) -> NDArray[np.float64]:
    """Give duration, size and resolution of clips: float64 (n, 6)."""
    values: NDArray[np.float64] = clips[list(FACTS)].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _majority() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectoriser = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")  # noqa: S106
    return make_pipeline(vectoriser, LogisticRegression(C=10, max_iter=300))


def _vectors() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))


def _facts() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    known = SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True)
    return make_pipeline(known, RandomForestClassifier(min_samples_leaf=2, random_state=0))


@dataclass(frozen=True)
class Baseline:
    """A simple model.

    Attributes:
        make: a classifier with scikit-learn's methods.
        looks_at: its input, of n clips.
        applies: whether training clips have that input; a feed without media has no frames to look at.
    """

    make: Callable[[], Any]
    looks_at: Callable[[BaselineData], Any]
    applies: Callable[[BaselineData], bool]


BASELINES: Final[dict[str, Baseline]] = {
    "majority": Baseline(_majority, lambda data: np.zeros((len(data.texts), 1)), lambda data: True),  # noqa: ARG005
    "tfidf_logistic": Baseline(
        _words, lambda data: data.texts, lambda data: any(any(map(str.isalnum, text)) for text in data.texts)
    ),
    "metadata_only": Baseline(_facts, lambda data: data.facts, lambda data: bool(np.isfinite(data.facts[:, 0]).any())),
}
"""Every baseline by name, beside one for each feature that the model reads."""


def _of_feature(name: str) -> Baseline:
    return Baseline(_vectors, lambda data: data.vectors[name], lambda data: bool(data.vectors[name].any()))


def baselines_for(data: BaselineData) -> dict[str, Baseline]:
    """The baselines whose input the training clips have: those of the table, and each vector feature alone."""
    alone = {f"{name}_logistic": _of_feature(name) for name in data.vectors}
    return {name: one for name, one in (BASELINES | alone).items() if one.applies(data)}


def baseline_probabilities(
    baseline: Baseline, train: BaselineData, test: BaselineData, kind: Kind
) -> NDArray[np.float64]:
    """Train a baseline and score the test clips.

    Returns:
        float64 (test clips, classes); classes without a training clip get 0.
    """
    make, inputs = baseline.make, baseline.looks_at
    if kind is Kind.SINGLE:
        return _scores(make(), inputs(train), train.truth.argmax(1), inputs(test), train.truth.shape[1])
    columns = [_scores(make(), inputs(train), column.astype(int), inputs(test), 2)[:, 1] for column in train.truth.T]
    return np.stack(columns, axis=1)


def _scores(model: Any, seen: Any, truth: NDArray[Any], unseen: Any, classes: int) -> NDArray[np.float64]:
    probabilities = np.zeros((len(unseen), classes))
    if len(np.unique(truth)) == 1:
        probabilities[:, truth[0]] = 1
        return probabilities
    model.fit(seen, truth)
    probabilities[:, model.classes_] = model.predict_proba(unseen)
    return probabilities

"""Simple models measured on the same test split, so that a number says whether the model earns its keep."""

from collections.abc import Callable
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
        frames: float32 (n, 1280): mean frame feature; zeros without video.
        facts: float64 (n, facts) of the media; NaN without video.
        truth: bool (n, classes).
    """

    texts: list[str]
    frames: NDArray[np.float32]
    facts: NDArray[np.float64]
    truth: NDArray[np.bool_]


def facts_of(clips: pd.DataFrame) -> NDArray[np.float64]:
    """Give duration, size and resolution of clips: float64 (n, 6)."""
    values: NDArray[np.float64] = clips[list(FACTS)].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


Inputs = Callable[[BaselineData], Any]


def _majority() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectoriser = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")  # noqa: S106
    return make_pipeline(vectoriser, LogisticRegression(C=10, max_iter=300))


def _frames() -> Any:
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


BASELINES: Final[dict[str, tuple[Callable[[], Any], Inputs]]] = {
    "majority": (_majority, lambda data: np.zeros((len(data.texts), 1))),
    "tfidf_logistic": (_words, lambda data: data.texts),
    "frames_logistic": (_frames, lambda data: data.frames),
    "metadata_only": (_facts, lambda data: data.facts),
}
"""Every baseline by name: how to make the model, and what it looks at."""


def applicable(data: BaselineData) -> list[str]:
    """Name the baselines whose input the training clips have; a feed without media has no frames to look at."""
    has = {
        "majority": True,
        "tfidf_logistic": any(any(character.isalnum() for character in text) for text in data.texts),
        "frames_logistic": bool(data.frames.any()),
        "metadata_only": bool(np.isfinite(data.facts[:, 0]).any()),
    }
    return [name for name in BASELINES if has[name]]


def baseline_probabilities(name: str, train: BaselineData, test: BaselineData, kind: Kind) -> NDArray[np.float64]:
    """Train a baseline and score the test clips.

    Returns:
        float64 (test clips, classes); classes without a training clip get 0.
    """
    make, inputs = BASELINES[name]
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

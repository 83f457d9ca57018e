"""Simple models, so that a number says whether the model earns its keep, and what metadata alone tell of labels."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.scope import METADATA as METADATA_PART
from cu_pipeline.core.scope import metadata_text
from cu_pipeline.evaluation.paired_test import PairedGain

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes", "has_audio")


@dataclass(frozen=True)
class BaselineData:
    """What a baseline may look at, for n clips.

    Attributes:
        texts: captions.
        vectors: extractor -> float32 (n, width): the mean of its feature; zeros where absent; beside it what differs
            within a sequence, as `EXTRACTOR_differences`.
        facts: float64 (n, facts) of the media; NaN without video.
        truth: bool (n, classes).
        context: what else is known, see `context_of`.
    """

    texts: list[str]
    vectors: Mapping[str, NDArray[np.float32]]
    facts: NDArray[np.float64]
    truth: NDArray[np.bool_]
    context: Sequence[Mapping[str, str | float]] = ()


_LONGEST: Final = 40
"""Characters of a text in the metadata that may be a name of something."""

MOST_CLIPS: Final = 20_000
"""Training clips of a baseline, at most."""


def some(clips: pd.DataFrame, most: int) -> pd.DataFrame:
    """A sample of at most `most` clips, fixed by their ids, in the order that they have."""
    if len(clips) <= most:
        return clips
    order = np.argsort(clips["clip_id"].map(unit_interval).to_numpy(), kind="stable")
    return clips.iloc[np.sort(order[:most])]


def facts_of(clips: pd.DataFrame) -> NDArray[np.float64]:
    """Duration, size and resolution of clips: float64 (n, 6)."""
    values: NDArray[np.float64] = clips[list(FACTS)].to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def context_of(clips: pd.DataFrame) -> list[dict[str, str | float]]:
    """What is known of clips besides what they show and say: language, feed, hour of posting, length, metadata.

    A text in the metadata that is longer than a name is left out.
    """
    hours = _hours(clips["posted_at"])
    rows = zip(clips["lang"], clips["feed"], clips["text"].str.len(), hours, clips["metadata"], strict=True)
    return [
        {"lang": lang, "feed": feed, "text_length": float(length), "hour": -1.0 if np.isnan(hour) else float(hour)}
        | _short_values(metadata)
        for lang, feed, length, hour, metadata in rows
    ]


def _short_values(metadata: str) -> dict[str, str | float]:
    values = {f"{METADATA_PART}{key}": metadata_text(value) for key, value in json.loads(metadata).items()}
    return {key: _number(text) for key, text in values.items() if len(text) <= _LONGEST}


def _number(text: str) -> str | float:
    try:
        return float(text) if np.isfinite(float(text)) else text
    except ValueError:
        return text


def _hours(posted: "pd.Series[str]") -> "pd.Series[float]":
    return pd.to_datetime(posted, errors="coerce", utc=True, format="ISO8601").dt.hour.astype("float64")


def _majority() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    vectoriser = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")  # noqa: S106
    return make_pipeline(vectoriser, LogisticRegression(C=10, solver="newton-cg", tol=1e-3))


def _spelling() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")  # noqa: S106
    characters = TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 5), max_features=200_000)
    classifier = LogisticRegression(C=10, solver="newton-cg", tol=1e-3, class_weight="balanced")
    return make_pipeline(make_union(words, characters), classifier)


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


def _context() -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(DictVectorizer(), RandomForestClassifier(min_samples_leaf=2, random_state=0))


@dataclass(frozen=True)
class Baseline:
    """A simple model.

    Attributes:
        make: a classifier with scikit-learn's methods.
        looks_at: its input, of n clips.
        applies: whether training clips have that input; a feed without media has no frames to look at.
        shortcut: what it looks at, in words, where that is nothing that clips show or say; "": it is no shortcut.
    """

    make: Callable[[], Any]
    looks_at: Callable[[BaselineData], Any]
    applies: Callable[[BaselineData], bool]
    shortcut: str = ""


MAJORITY: Final = "majority"
"""The baseline that knows how common each class is, and no more."""

BASELINES: Final[dict[str, Baseline]] = {
    MAJORITY: Baseline(_majority, lambda data: np.zeros((len(data.texts), 1)), lambda data: True),  # noqa: ARG005
    "tfidf_logistic": Baseline(_words, lambda data: data.texts, lambda data: _any_words(data.texts)),
    "characters_logistic": Baseline(_spelling, lambda data: data.texts, lambda data: _any_words(data.texts)),
    "metadata_only": Baseline(
        _facts,
        lambda data: data.facts,
        lambda data: bool(np.isfinite(data.facts[:, 0]).any()),
        "duration, size and other facts of the file",
    ),
    "context_only": Baseline(
        _context,
        lambda data: data.context,
        lambda data: bool(data.context),
        "language, feed, hour of posting, length of the caption and metadata",
    ),
}
"""Every baseline by name, beside one for each feature that the model reads."""


SHORTCUTS: Final = {name: one.shortcut for name, one in BASELINES.items() if one.shortcut}
"""The baselines that look at nothing that clips show or say, and what they look at."""


def _any_words(texts: Sequence[str]) -> bool:
    return any(any(map(str.isalnum, text)) for text in texts)


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


METADATA: Final = (*FACTS, "codec", "text_length", "hour")
"""What the metadata say; `hour` is that of posting in UTC, `text_length` counts the caption's characters."""

_FOLDS: Final = 5
_MOST: Final = 5000


@dataclass(frozen=True)
class Shortcut:
    """What metadata alone achieve on clips of groups that the classifier has not seen.

    Attributes:
        n: labelled clips that were used.
        accuracy: of metadata alone.
        majority: accuracy of the commonest label in the training folds.
        p_value: of the one-sided test over groups that metadata are not better than the commonest label.
        telling: fact -> loss of accuracy when its values are shuffled, the greatest first.
    """

    n: int
    accuracy: float
    majority: float
    p_value: float
    telling: dict[str, float]


def find_shortcut(clips: pd.DataFrame, labels: "pd.Series[str]", seed: int) -> Shortcut | None:
    """Predict labels from metadata alone, by cross-validation over groups.

    A random forest on `METADATA` is trained on four fifths of the groups and asked about the last one, in turn. What a
    fact contributes is the loss of accuracy when its values are shuffled among the clips that are asked about
    (Breiman, "Random forests", 2001). Of more than 5,000 clips a sample is used, fixed by their ids.

    Args:
        clips: the table of clips.
        labels: by clip id; a multi-label clip's classes count as one label.
        seed: of the forest and of the shuffling.

    Returns:
        None where there are fewer than 5 groups or 2 labels, or not 20 clips.
    """
    chosen = sorted(set(labels.index) & set(clips["clip_id"]), key=unit_interval)[:_MOST]
    known = clips[clips["clip_id"].isin(chosen)].sort_values("clip_id")
    truth = labels.loc[known["clip_id"]].to_numpy(dtype=str)
    groups = known["group"].to_numpy(dtype=str)
    if len(truth) < 20 or len(set(truth)) < 2 or len(set(groups)) < _FOLDS:
        return None
    right, usual, losses = _cross_validated(_metadata(known), truth, groups, seed)
    order = np.argsort(-losses, kind="stable")
    return Shortcut(
        n=len(truth),
        accuracy=float(right.mean()),
        majority=float(usual.mean()),
        p_value=PairedGain.of(right.astype(float) - usual, groups).p_value(),
        telling={METADATA[place]: float(losses[place]) for place in order if losses[place] > 0},
    )


def _metadata(clips: pd.DataFrame) -> NDArray[np.float64]:
    """Clips' metadata as numbers: (n, facts), -1 where unknown."""
    codec = pd.factorize(clips["codec"], sort=True)[0]
    lengths, hours = clips["text"].str.len(), _hours(clips["posted_at"])
    return np.nan_to_num(np.column_stack([facts_of(clips), codec, lengths, hours]), nan=-1.0)


def _cross_validated(
    facts: NDArray[np.float64], truth: NDArray[np.str_], groups: NDArray[np.str_], seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64]]:
    """Whether each clip's label was told by its metadata and by the commonest label, and each fact's loss."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GroupKFold

    right, usual = np.zeros(len(truth), dtype=bool), np.zeros(len(truth), dtype=bool)
    losses = np.zeros(facts.shape[1])
    chance = np.random.default_rng(seed)
    for seen, asked in GroupKFold(_FOLDS).split(facts, truth, groups):
        forest: Any = RandomForestClassifier(60, min_samples_leaf=2, random_state=seed).fit(facts[seen], truth[seen])
        names, counts = np.unique(truth[seen], return_counts=True)
        right[asked] = forest.predict(facts[asked]) == truth[asked]
        usual[asked] = truth[asked] == names[counts.argmax()]
        shuffled = np.tile(facts[asked], (facts.shape[1], 1, 1))
        for place in range(facts.shape[1]):
            shuffled[place, :, place] = chance.permutation(shuffled[place, :, place])
        told = forest.predict(shuffled.reshape(-1, facts.shape[1])).reshape(facts.shape[1], -1) == truth[asked]
        losses += (right[asked].sum() - told.sum(axis=1)) / len(truth)
    return right, usual, losses

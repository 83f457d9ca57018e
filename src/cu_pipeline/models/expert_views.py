"""What linear experts look at: a feature of clips in one of its forms, as a matrix."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.features.clip_features import BLOCK, ClipFeatures, Feature
from cu_pipeline.models.family import Weights
from cu_pipeline.models.text_counts import TextCounts

_MOST_SINGLE: Final = 2**20
"""Rows that are added up in single precision, as a tenth of them always were."""

Steps = NDArray[np.float32]
"""A sequence of vectors a clip: (n, steps, width)."""


def _spread(steps: Steps) -> NDArray[np.float32]:
    return np.asarray(steps.std(axis=1))


def _change(steps: Steps) -> NDArray[np.float32]:
    return np.asarray(np.abs(np.diff(steps, axis=1)).mean(axis=1))


def _slope(steps: Steps) -> NDArray[np.float32]:
    time = np.linspace(-1, 1, steps.shape[1], dtype=np.float32)
    return np.asarray(np.einsum("t,ntd->nd", time / np.square(time).sum(), steps))


def _mean(steps: Steps) -> NDArray[np.float32]:
    return np.asarray(steps.mean(axis=1))


def _all(steps: Steps) -> NDArray[np.float32]:
    return np.concatenate([one(steps) for one in (_mean, _spread, _change, _slope)], axis=1)


STATISTICS: Final[dict[str, Callable[[Steps], NDArray[np.float32]]]] = {
    "mean": _mean,
    "spread": _spread,
    "change": _change,
    "slope": _slope,
    "all": _all,
}
"""What a sequence comes to: mean, standard deviation, mean absolute difference of neighbours, trend, and all four."""


@dataclass(frozen=True)
class View:
    """A feature in one of its forms.

    Attributes:
        feature: name of the extractor.
        form: `text`, `vector`, or a name of `STATISTICS`.
    """

    feature: str
    form: str

    @property
    def name(self) -> str:
        """Feature and form."""
        return f"{self.feature}.{self.form}"

    def of(self, features: ClipFeatures) -> Feature:
        """The feature in this form: texts, or vectors (n, width)."""
        feature = features[self.feature]
        if self.form in STATISTICS:
            steps = feature.values.reshape(len(feature.values), feature.values.shape[1], -1)
            return Feature(_by_blocks(STATISTICS[self.form], steps), feature.present)
        return feature


def _by_blocks(statistic: Callable[[Steps], NDArray[np.float32]], steps: Steps) -> NDArray[np.float32]:
    """A statistic of some clips at a time, which bounds the memory that it takes."""
    if len(steps) <= BLOCK:
        return statistic(steps)
    found = None
    for start in range(0, len(steps), BLOCK):
        block = statistic(steps[start : start + BLOCK])
        found = np.empty((len(steps), *block.shape[1:]), dtype=block.dtype) if found is None else found
        found[start : start + BLOCK] = block
    return np.asarray(found)


def views_of(features: Mapping[str, Feature]) -> Iterator[View]:
    """The forms in which features are looked at: what has no steps has one, and two steps or more have all."""
    for name, feature in features.items():
        if feature.form == "text":
            yield View(name, "text")
        elif feature.values.ndim == 2:
            yield View(name, "vector")
        else:
            forms = STATISTICS if feature.values.shape[1] > 1 else ("mean",)
            yield from (View(name, form) for form in forms)


class Reading(Protocol):
    """Turns a view into a matrix, as training clips say."""

    def matrix(self, feature: Feature) -> Any:
        """A row a clip, sparse or not."""

    def weights(self) -> dict[str, NDArray[Any]]:
        """What is needed to make it again."""


@dataclass(frozen=True)
class Standardised:
    """Vectors less their mean, over their deviation, such that a view as a whole has length 1 on average.

    Attributes:
        mean: float32 (width).
        scale: float32 (width).
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def fit(cls, feature: Feature) -> Self:
        """Measure the clips that have it."""
        known = feature.known().values
        if not len(known):
            known = np.zeros((1, feature.values.shape[1]), dtype=np.float32)
        mean, deviation = _moments(known)
        spread = np.maximum(deviation, 1e-3) * np.sqrt(known.shape[1])
        return cls(mean.astype(np.float32), spread.astype(np.float32))

    @classmethod
    def load(cls, weights: Weights) -> Self:
        """Take what `weights` gave."""
        return cls(weights["mean"], weights["scale"])

    def weights(self) -> dict[str, NDArray[Any]]:
        """What is needed to make it again."""
        return {"mean": self.mean, "scale": self.scale}

    def matrix(self, feature: Feature, precision: type[Any] = np.float64) -> NDArray[Any]:
        """Standardise: (n, width), zeros where absent."""
        found = np.empty(feature.values.shape, dtype=precision)
        for start in range(0, len(found), BLOCK):
            block = slice(start, start + BLOCK)
            found[block] = (feature.values[block] - self.mean) / self.scale * feature.present[block, None]
        return found


def _moments(values: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and standard deviation of each column, as numpy gives them, without a copy of the whole.

    Numpy adds rows up one after the other, and so does this, block by block; of more rows than single precision adds
    up well sums are held in double precision.
    """
    precision = np.float32 if len(values) <= _MOST_SINGLE else np.float64
    mean = _added(values, lambda block: block, precision) / precision(len(values))
    variance = _added(values, lambda block: np.square(block - mean), precision) / precision(len(values))
    return mean, np.sqrt(variance)


def _added(values: NDArray[np.float32], part: Callable[[Any], Any], precision: type[Any]) -> NDArray[Any]:
    """Sum of what is made of the rows of each block: (width)."""
    total = np.zeros((0, values.shape[1]), dtype=precision)
    for start in range(0, len(values), BLOCK):
        block = np.asarray(part(values[start : start + BLOCK]), dtype=precision)
        total = np.add.reduce(np.concatenate([total, block]), axis=0, keepdims=True)
    return np.asarray(total[0])


class Words:
    """Texts as words and characters.

    Args:
        counts: what counts in them.
    """

    def __init__(self, counts: TextCounts) -> None:
        self._counts = counts

    def weights(self) -> dict[str, NDArray[Any]]:
        """What is needed to make it again."""
        return self._counts.weights()

    def matrix(self, feature: Feature) -> Any:
        """Sparse float64 (n, columns), zeros where absent."""
        return self._counts.matrix(list(feature.values))


def learn_reading(view: View, feature: Feature, *, many: bool) -> tuple[Reading, Any]:
    """Learn from training clips how a view becomes a matrix, and make that of the clips that have the feature.

    Args:
        view: what is looked at.
        feature: in the view's form, of all clips.
        many: whether these, or those that they are a sample of, are many: then numbers are float32.
    """
    known = feature.known()
    if view.form == "text":
        counts, matrix = TextCounts.learn(list(known.values), many=many)
        return Words(counts), matrix
    standard = Standardised.fit(known)
    return standard, standard.matrix(known, np.float32 if many else np.float64)


def load_reading(view: View, weights: Weights) -> Reading:
    """Make a reading again from its weights."""
    return Words(TextCounts.load(weights)) if view.form == "text" else Standardised.load(weights)

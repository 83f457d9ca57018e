"""What may have drifted, as scores of each clip, and how much of it did."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.drift.unit_design import Floats
from cu_pipeline.drift.unit_statistics import Combine

Numbers: TypeAlias = npt.NDArray[np.float64]
Effect: TypeAlias = Literal["largest", "first", "moved", "distance", "rise"]


@dataclass(frozen=True)
class Sides:
    """What tests are made for.

    Attributes:
        reference: clips that the models learned from, or were measured on.
        current: clips that the service has seen since.
        facts: columns of numbers that both have.
        capabilities: that both have predictions for, with their kinds.
    """

    reference: ClipSample
    current: ClipSample
    facts: tuple[str, ...]
    capabilities: dict[str, Kind]


@dataclass(frozen=True)
class DriftTest:
    """One thing that may have drifted, and the scores that would show it.

    Attributes:
        name: unique; such as `fact_bytes`, `embedding_PART`, `label_CAPABILITY` or `confidence_CAPABILITY`.
        kind: `fact`, `embedding`, `label`, …, which decides the least effect that counts.
        scores: of the reference's clips followed by the current ones, shape (clips, columns). They must not depend on
            which side a clip is of.
        in_words: what changed, for a person.
        combine: how columns become one statistic: the largest |z|, or a quadratic form.
        effect: how their differences become one size, a key of `EFFECTS`.
        measured: scores whose differences are the effect, where others than `scores` are easier to understand.
        margin: differences of scores up to this size are what sides differ by though nothing has changed.
        novel: current clips that are typical of what is new, by their place among them, most typical first.
    """

    name: str
    kind: str
    scores: npt.NDArray[np.floating]
    in_words: str
    combine: Combine = "largest"
    effect: Effect = "largest"
    measured: npt.NDArray[np.floating] | None = None
    margin: float = 0.0
    novel: Sequence[int] = ()

    @property
    def method(self) -> str:
        """The statistic in short."""
        return {"largest": "largest z by units", "quadratic": "quadratic form by units"}[self.combine]


@dataclass(frozen=True)
class Untested:
    """What could not be tested.

    Attributes:
        name: of the test, or of what it would have looked at.
        why: for people, a clause.
    """

    name: str
    why: str


def _largest(differences: Floats, _: Floats) -> Floats:
    return np.asarray(np.abs(differences).max(axis=-1))


def _first(differences: Floats, _: Floats) -> Floats:
    return np.asarray(np.abs(differences[..., 0]))


def _moved(differences: Floats, _: Floats) -> Floats:
    return np.asarray(np.abs(differences).sum(axis=-1) / 2)


def _distance(differences: Floats, errors: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum((differences**2).sum(axis=-1) - (errors**2).sum(), 0)))


def _rise(differences: Floats, _: Floats) -> Floats:
    return np.asarray(np.maximum(differences.max(axis=-1), 0))


EFFECTS: Final[dict[Effect, Callable[[Floats, Floats], Floats]]] = {
    "largest": _largest,
    "first": _first,
    "moved": _moved,
    "distance": _distance,
    "rise": _rise,
}
"""From differences (…, columns) and their standard errors (columns,) to a size (…,): the largest; the first column's;
the share of clips that moved (total variation); the distance of means in standard deviations, less what chance adds;
the largest rise, a fall being none."""

_LEVELS: Final = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


def number_test(name: str, kind: str, reference: Numbers, current: Numbers) -> DriftTest:
    """A test of one number of each clip: how many lie below each of some quantiles of the pool, and how many have none.

    Its effect is the largest gap of the two distribution functions, 0 to 1.

    Args:
        name: of the test.
        kind: of the test.
        reference: shape (clips,); NaN for a clip that has none.
        current: likewise.
    """
    values = np.append(reference, current)
    known = values[~np.isnan(values)]
    cuts = np.unique(np.quantile(known, _LEVELS, method="lower")) if len(known) else known
    scores = np.column_stack([np.isnan(values), *(values <= cut for cut in cuts)]).astype(np.float32)
    return DriftTest(name, kind, scores, f"median {_median(reference)} → {_median(current)}")


def share_test(name: str, kind: str, reference: npt.NDArray[np.bool_], current: npt.NDArray[np.bool_]) -> DriftTest:
    """A test of the share of clips for which something holds; its effect is the change of that share, 0 to 1."""
    words = f"{_share(reference.mean())} → {_share(current.mean())} of clips"
    return DriftTest(name, kind, np.append(reference, current).astype(np.float32)[:, None], words)


def class_test(
    name: str,
    kind: str,
    classes: Sequence[str],
    reference: npt.NDArray[np.bool_],
    current: npt.NDArray[np.bool_],
    probabilities: npt.NDArray[np.floating] | None = None,
) -> DriftTest:
    """A test of the shares of classes, each of shape (clips, classes).

    Its effect is the share of clips that would have to change class where each clip has one class, and the largest
    change of a class's share elsewhere.

    Args:
        name: of the test.
        kind: of the test.
        classes: their names.
        reference: whether each class is there, shape (clips, classes).
        current: likewise.
        probabilities: of the classes, of the reference's clips followed by the current ones: means of these differ
            less by chance than shares of the likeliest classes do, so that smaller changes are found.
    """
    present = np.concatenate([reference, current]).astype(np.float32)
    one = bool((present.sum(axis=1) == 1).all())
    words = _largest_change(classes, reference, current)
    scores = present if probabilities is None else probabilities
    return DriftTest(name, kind, scores, words, effect="moved" if one else "largest", measured=present)


def _share(value: float) -> str:
    return f"{value:.0%}" if value == 0 or value >= 0.0995 else f"{value:.1%}"


def _median(values: Numbers) -> str:
    known = values[~np.isnan(values)]
    if not len(known):
        return "none"
    value = float(np.median(known))
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _largest_change(classes: Sequence[str], before: npt.NDArray[np.bool_], now: npt.NDArray[np.bool_]) -> str:
    if not len(classes):
        return "no class was predicted"
    ours, theirs = now.mean(axis=0), before.mean(axis=0)
    most = int(np.argmax(np.abs(ours - theirs)))
    return f"largest change: {classes[most]} {theirs[most]:.0%} → {ours[most]:.0%}"

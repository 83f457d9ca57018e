"""The one rule by which probabilities become labels: in the service, in predictions, and among labels."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import ABSTAIN, NONE, SEPARATOR, Capability, Kind, join_label
from cu_pipeline.core.hashing import unit_interval

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD: Final = 0.5
"""Over which a class of several holds where no other threshold is set."""

_EVEN: Final = 1e-12
"""Difference up to which two probabilities are equal."""


@dataclass(frozen=True)
class Decided:
    """What probabilities say of n clips.

    Attributes:
        holds: bool (n, classes): the classes that are named; of one class among several none where there is no answer.
        labels: n labels in the form of the tables.
        probability: (n,): that the whole label, or the one that is not given, is right; of several classes as if they
            were independent.
    """

    holds: NDArray[np.bool_]
    labels: list[str]
    probability: NDArray[np.float64]


def decide(
    probabilities: NDArray[np.float64],
    capability: Capability,
    thresholds: Mapping[str, float] | None = None,
    clip_ids: "Sequence[str] | pd.Index[str] | None" = None,
) -> Decided:
    """Choose each clip's label.

    Single label: the likeliest class; of several equally likely ones the first, or, where clips have ids, one that is
    fixed by the id, even-handedly; where its probability is not over its threshold, no answer. Multi-label: every class
    whose probability is over its threshold.

    Args:
        probabilities: (n, classes).
        capability: with its classes.
        thresholds: class -> threshold; where none is given 0.5 in a multi-label capability, and none in others.
        clip_ids: n of them.

    >>> decide(np.array([[0.2, 0.8]]), Capability(classes=("a", "b"))).labels
    ['b']
    >>> decide(np.array([[0.2, 0.8], [0.4, 0.6]]), Capability(classes=("a", "b")), {"b": 0.7}).labels
    ['b', 'abstain']
    >>> several = Capability(kind=Kind.MULTI, classes=("a", "b"))
    >>> decide(np.array([[0.6, 0.8], [0.1, 0.2]]), several, {"a": 0.7}).labels
    ['b', 'none']
    """
    names = np.array(capability.classes, dtype=object)
    if capability.kind is Kind.SINGLE:
        chosen = probabilities.argmax(axis=1)
        if clip_ids is not None:
            _break_ties(chosen, probabilities, clip_ids)
        likeliest = np.arange(len(names)) == chosen[:, None]
        holds = likeliest & (probabilities > _bars(capability, thresholds, -1.0))
        labels = list(np.where(holds.any(axis=1), names[chosen], ABSTAIN))
        return Decided(holds, labels, certainty(probabilities, likeliest, capability.kind))
    holds = probabilities > _bars(capability, thresholds, THRESHOLD)
    labels = [join_label(list(names[row]), capability.kind) for row in holds]
    return Decided(holds, labels, certainty(probabilities, holds, capability.kind))


def prediction_sets(probabilities: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    """Choose each clip's set of classes that it may be, those that reach the threshold and the likeliest: (n, classes).

    >>> prediction_sets(np.array([[0.6, 0.3, 0.1], [0.4, 0.3, 0.3]]), 0.3).tolist()
    [[True, True, False], [True, True, True]]
    """
    likeliest = np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, None]
    return np.asarray(likeliest | (probabilities >= threshold))


def _bars(capability: Capability, thresholds: Mapping[str, float] | None, default: float) -> NDArray[np.float64]:
    return np.array([(thresholds or {}).get(name, default) for name in capability.classes])


def certainty(probabilities: NDArray[np.float64], holds: NDArray[np.bool_], kind: Kind) -> NDArray[np.float64]:
    """How likely labels are right, (n,), of several classes as if they were independent.

    Args:
        probabilities: (n, classes).
        holds: (n, classes): the classes that each label names.
        kind: of the capability.
    """
    if kind is Kind.SINGLE:
        return np.where(holds, probabilities, 0.0).max(axis=1)
    return np.where(holds, probabilities, 1 - probabilities).prod(axis=1)


def confidence(label: str, probabilities: Mapping[str, float]) -> float:
    """The probability of what a label says: of its least likely class, or that the likeliest one is absent.

    >>> confidence("a|b", {"a": 0.9, "b": 0.75}), confidence("none", {"a": 0.25}), confidence("abstain", {"a": 0.5})
    (0.75, 0.75, 0.5)
    """
    if label in probabilities:
        return probabilities[label]
    if label == NONE:
        return 1 - max(probabilities.values(), default=1.0)
    named = [probabilities[name] for name in label.split(SEPARATOR) if name in probabilities]
    return min(named) if named else max(probabilities.values(), default=0.0)


def as_json(probabilities: NDArray[np.float64], classes: Sequence[str]) -> str:
    """Write the probabilities of one clip, (classes,), for a table."""
    rounded = {name: round(float(value), 6) for name, value in zip(classes, probabilities, strict=True)}
    return json.dumps(rounded, ensure_ascii=False)


def tied(probabilities: NDArray[np.float64], kind: Kind) -> NDArray[np.bool_]:
    """Say where probabilities, (n, classes), decide nothing, (n,): two classes are the likeliest, or one is even.

    >>> tied(np.array([[0.4, 0.4, 0.2], [0.5, 0.3, 0.2]]), Kind.SINGLE).tolist()
    [True, False]
    >>> tied(np.array([[0.9, 0.5], [0.9, 0.1]]), Kind.MULTI).tolist()
    [True, False]
    """
    if kind is Kind.SINGLE:
        several: NDArray[np.bool_] = _likeliest(probabilities).sum(axis=1) > 1
        return several
    return np.asarray((np.abs(probabilities - THRESHOLD) <= _EVEN).any(axis=1))


def _likeliest(probabilities: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.greater_equal(probabilities, probabilities.max(axis=1)[:, None] - _EVEN)


def _break_ties(
    chosen: NDArray[np.int64], probabilities: NDArray[np.float64], clip_ids: "Sequence[str] | pd.Index[str]"
) -> None:
    likeliest = _likeliest(probabilities)
    for row in np.flatnonzero(likeliest.sum(axis=1) > 1):
        among = np.flatnonzero(likeliest[row])
        chosen[row] = among[int(unit_interval(f"tie/{clip_ids[row]}") * len(among))]

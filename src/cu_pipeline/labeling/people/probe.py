"""A quick model of what people said so far: how unsure it is of a clip tells how much an answer would teach."""

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.labeling.people.vectors import Vectors
from cu_pipeline.models.family import Targets
from cu_pipeline.models.logistic import HardLabels, Regressions, hard_labels
from cu_pipeline.models.probabilities import logits_to_probabilities

_STRENGTH = 10.0
"""Inverse strength of the penalty: the first that the linear family tries."""

_ITERATIONS = 100


def probe_uncertainty(learned: Vectors, targets: Targets, asked: Vectors, kind: Kind) -> NDArray[np.float64] | None:
    """Learn people's labels by a logistic regression, and say how even its likeliest answers to other clips are.

    Of one class among several it is 1 minus the margin between the two likeliest ones. That is high where two classes
    compete, and not where many are possible but one leads, which an answer would not settle for other clips either:
    by entropy a quarter more labels were needed (decision 29). Of several classes it is that of the most open one.

    Args:
        learned: (n, width): clips that people labelled.
        targets: (n, classes): what they said.
        asked: (m, width): other clips.
        kind: of the capability.

    Returns:
        (m,) in [0, 1]; None where people named one class only, of which nothing can be learned.
    """
    answers = hard_labels(targets, kind)
    if not _differ(answers):
        return None
    found = Regressions(learned, answers, kind, _ITERATIONS).fit(_STRENGTH)
    return openness(logits_to_probabilities(found.scores(asked).astype(np.float32), kind, 1.0), kind)


def openness(chances: NDArray[np.float64], kind: Kind) -> NDArray[np.float64]:
    """How even the likeliest answers are, (m,) in [0, 1], by probabilities (m, classes)."""
    if kind is Kind.MULTI:
        return np.asarray((1 - np.abs(2 * chances - 1)).max(axis=1, initial=0))
    two = np.sort(chances, axis=1)[:, -2:]
    return np.asarray(1 - (two[:, 1] - two[:, 0]))


def _differ(answers: HardLabels) -> bool:
    return len(answers.truth) > 0 and bool((answers.truth != answers.truth[0]).any())

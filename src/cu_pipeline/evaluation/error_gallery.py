"""The surest mistakes: what a model was most certain of, and wrong."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind, join_label
from cu_pipeline.evaluation.judged import Answered
from cu_pipeline.evaluation.metrics import ScoredClips

_LONGEST: Final = 500
"""Characters of a caption that are kept."""


def surest_errors(given: Answered, classes: Sequence[str], most: int) -> list[dict[str, Any]]:
    """Find the wrong answers that a model was surest of; what it left unanswered is none.

    Args:
        given: what it says of n clips.
        classes: of the capability, in order.
        most: mistakes, at most.

    Returns:
        The part `errors` of the `insights` dataset, the surest first. Their probability is that of the class that was
        named; of several classes, how sure the model was of the one that it was surest of, wrongly.
    """
    answers, names = given.answers, np.array(classes, dtype=object)
    sure = _certainty(answers)
    ids = given.clips["clip_id"].to_numpy(dtype=str)
    wrong = np.flatnonzero(~answers.correct() & answers.answered)
    order = wrong[np.lexsort((ids[wrong], -sure[wrong]))][:most]
    return [
        {
            "clip_id": str(ids[place]),
            "truth": join_label(list(names[answers.truth[place]]), answers.kind),
            "decided": join_label(list(names[answers.decided[place]]), answers.kind),
            "probability": float(sure[place]),
            "text": str(given.clips["text"].iloc[place])[:_LONGEST],
        }
        for place in order
    ]


def _certainty(answers: ScoredClips) -> NDArray[np.float64]:
    """How sure the surest wrong decision about each clip was: (n); 0 where there is none."""
    if answers.kind is Kind.SINGLE:
        return np.asarray(np.where(answers.decided, answers.probabilities, 0.0).max(axis=1, initial=0))
    of_decision = np.where(answers.decided, answers.probabilities, 1 - answers.probabilities)
    return np.asarray(np.where(answers.decided != answers.truth, of_decision, 0.0).max(axis=1, initial=0))

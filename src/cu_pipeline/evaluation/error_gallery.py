"""The surest mistakes: what a model was most certain of, and wrong."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import ScoredClips

_LONGEST: Final = 500
"""Characters of a caption that are kept."""


def surest_errors(
    clips: pd.DataFrame, decided: "pd.Series[str]", answers: ScoredClips, most: int
) -> list[dict[str, Any]]:
    """Find the wrong answers that a model was surest of; what it left unanswered is none.

    Args:
        clips: n rows of the table of clips, with what people said in `label`.
        decided: what the model said of each, by clip id.
        answers: the same in numbers.
        most: mistakes, at most.

    Returns:
        The part `errors` of the `insights` dataset, the surest first. Their probability is that of the class that was
        named; of several classes, that of the surest one that was wrongly named or wrongly left out.
    """
    sure = _certainty(answers)
    wrong = np.flatnonzero(~answers.correct() & answers.answered)
    order = wrong[np.lexsort((clips["clip_id"].to_numpy(dtype=str)[wrong], -sure[wrong]))]
    return [
        {
            "clip_id": str(row["clip_id"]),
            "truth": str(row["label"]),
            "decided": str(decided[row["clip_id"]]),
            "probability": float(sure[place]),
            "text": str(row["text"])[:_LONGEST],
        }
        for place in order[:most]
        for row in [clips.iloc[place]]
    ]


def _certainty(answers: ScoredClips) -> NDArray[np.float64]:
    """How sure the surest wrong decision about each clip was: (n); 0 where there is none."""
    if answers.kind is Kind.SINGLE:
        return np.where(answers.decided, answers.probabilities, 0.0).max(axis=1, initial=0)
    of_decision = np.where(answers.decided, answers.probabilities, 1 - answers.probabilities)
    return np.where(answers.decided != answers.truth, of_decision, 0.0).max(axis=1, initial=0)

"""How many answers would be wrong if a model answered only what it is sure of."""

from typing import Final

import numpy as np

from cu_pipeline.evaluation.metrics import ScoredClips

_POINTS: Final = 50


def risk_by_coverage(answers: ScoredClips) -> list[dict[str, float]]:
    """The share of wrong answers among the surest clips, from few to all of them.

    Source: Geifman & El-Yaniv, "Selective classification for deep neural networks" (NeurIPS 2017).

    Args:
        answers: of n clips, all of which are answered.

    Returns:
        At most 50 points: `coverage`, the share of clips that are answered where those with a certainty of `threshold`
        or more are, and `risk`, the share of these that is wrong. Clips of one certainty are not told apart.
    """
    if not len(answers):
        return []
    sure = answers.certainty()
    order = np.argsort(-sure, kind="stable")
    wrong, sure = np.cumsum(~answers.correct()[order]), sure[order]
    ends = np.flatnonzero(np.append(sure[1:] < sure[:-1], True))
    wanted = (np.arange(1, _POINTS + 1) * len(sure) - 1) // _POINTS
    shown = np.unique(ends[np.searchsorted(ends, wanted)])
    return [
        {
            "coverage": float((last + 1) / len(sure)),
            "risk": float(wrong[last] / (last + 1)),
            "threshold": float(sure[last]),
        }
        for last in shown
    ]

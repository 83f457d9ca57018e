"""How far people agree, and how good the answers of each of them are."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.lean import rows_where
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.people.crowd import fit_dawid_skene
from cu_pipeline.labeling.people.informativeness import Verdict, informativeness
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.votes import Votes, votes_by_question


def annotator_tables(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    options: PeopleOptions,
    seed: int,
) -> dict[str, Any]:
    """Say how far people agree and how good each of them is.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        capabilities: the active ones.
        options: smoothing and number of resamples.
        seed: of the resamples.

    Returns:
        Capability -> question -> `alpha`, `alpha_ci95` and `annotators`: name -> `votes`, `peer_agreement`,
        `accuracy`, `confusion` (rows what is right, columns what was answered), `informativeness`,
        `informativeness_ci95` and `verdict`. A multi-label capability has a question for each class, answered no
        or yes; a single-label one has one question, with its own name. What is not defined is null.
    """
    human = rows_where(annotations, annotations["kind"] == AnnotatorKind.HUMAN)
    clip_ids = pd.Index(clips["clip_id"])
    result: dict[str, Any] = {}
    for name, capability in capabilities.items():
        questions = votes_by_question(rows_where(human, human["capability"] == name), clip_ids, capability)
        result[name] = {asked or name: _table(one, options, seed) for asked, one in questions.items()}
    return result


def agreement_messages(tables: Mapping[str, Any]) -> list[str]:
    """Write for the log the agreement on each question, and how many people's answers are of no use."""
    lines = []
    for capability, questions in tables.items():
        for question, one in questions.items():
            asked = capability if question == capability else f"{capability}/{question}"
            if one["alpha"] is not None:
                low, high = one["alpha_ci95"]
                lines.append(
                    f"{asked}: people agree with Krippendorff's alpha {one['alpha']:.2f} ({low:.2f}–{high:.2f})"
                )
            verdicts = Counter(row["verdict"] for row in one["annotators"].values())
            if verdicts[Verdict.SPAMMER]:
                lines.append(
                    f"{asked}: {verdicts[Verdict.SPAMMER]} of {len(one['annotators'])} annotators answer no better "
                    f"than chance, {verdicts[Verdict.UNDECIDED]} undecided: see `verdict` in agreement.json"
                )
    return lines


def krippendorff_alpha(counts: NDArray[np.float64]) -> float | None:
    """Say how far people agree beyond chance: Krippendorff's alpha for nominal data with missing values.

    With n_uc votes for answer c on clip u, m_u votes on it (clips with one vote are left out), n_c votes for c
    and n votes in all, alpha = 1 - (n - 1) * sum_u [sum_{c<d} n_uc n_ud / (m_u - 1)] / sum_{c<d} n_c n_d.

    Source: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section D.

    Args:
        counts: (clips, answers) number of votes.

    Returns:
        1: full agreement, 0: as by chance, below 0: worse; None where no clip has two votes or all votes are
        for one answer.

    >>> round(krippendorff_alpha(np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])), 4)
    0.4444
    """
    shared = counts[counts.sum(axis=1) > 1]
    alpha = _alphas(np.ones((1, len(shared))), shared)[0]
    return None if np.isnan(alpha) else float(alpha)


def alpha_interval(counts: NDArray[np.float64], seed: int, draws: int) -> list[float] | None:
    """Compute the 95 % percentile bootstrap interval of `krippendorff_alpha`, clips being drawn with replacement.

    Args:
        counts: (clips, answers) number of votes.
        seed: of the draws.
        draws: number of resamples; those in which alpha is not defined are left out.
    """
    patterns, times = np.unique(counts[counts.sum(axis=1) > 1], axis=0, return_counts=True)
    if len(patterns) == 0:
        return None
    weights = np.random.default_rng(seed).multinomial(times.sum(), times / times.sum(), size=draws)
    alphas = _alphas(weights.astype(float), patterns)
    defined = alphas[~np.isnan(alphas)]
    return [float(edge) for edge in np.percentile(defined, [2.5, 97.5])] if len(defined) else None


def peer_agreement(said: Votes) -> NDArray[np.float64]:
    """Say how often each annotator and another person who looked at the same clip give the same answer.

    Returns:
        (annotators,): the share of such pairs; NaN for one who never shared a clip.
    """
    counts = said.counts()
    same = counts[said.clip, said.answer] - 1
    others = counts.sum(axis=1)[said.clip] - 1
    size = len(said.annotators)
    agreeing = np.bincount(said.annotator, weights=same, minlength=size)
    pairs = np.bincount(said.annotator, weights=others, minlength=size)
    return np.divide(agreeing, pairs, out=np.full(size, np.nan), where=pairs > 0)


def _table(question: Votes, options: PeopleOptions, seed: int) -> dict[str, Any]:
    if not question.annotators:
        return {"alpha": None, "alpha_ci95": None, "annotators": {}}
    counts = question.counts()
    fitted = fit_dawid_skene(question, options.confusion_smoothing)
    scores = informativeness(question, fitted, seed, options.draws)
    votes = np.bincount(question.annotator, minlength=len(question.annotators))
    agreement = peer_agreement(question)
    return {
        "alpha": _number(krippendorff_alpha(counts)),
        "alpha_ci95": _numbers(alpha_interval(counts, seed, options.draws)),
        "annotators": {
            name: {
                "votes": int(votes[place]),
                "peer_agreement": _number(agreement[place]),
                "accuracy": _number(fitted.accuracy[place]),
                "confusion": fitted.confusion[place].round(4).tolist(),
                "informativeness": _number(scores[place].score),
                "informativeness_ci95": _numbers([scores[place].low, scores[place].high]),
                "verdict": scores[place].verdict.value,
            }
            for place, name in enumerate(question.annotators)
        },
    }


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), 4)


def _numbers(values: list[float] | None) -> list[float | None] | None:
    return None if values is None or np.isnan(values).any() else [_number(value) for value in values]


def _alphas(weights: NDArray[np.float64], shared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute alpha for each of b weightings, (b, clips), of clips with several votes, (clips, answers)."""
    totals = weights @ shared
    observed = weights @ (_different_pairs(shared) / (shared.sum(axis=1) - 1))
    expected = _different_pairs(totals)
    ratio = np.divide(observed, expected, out=np.full(len(weights), np.nan), where=expected > 0)
    alphas: NDArray[np.float64] = 1 - (totals.sum(axis=1) - 1) * ratio
    return alphas


def _different_pairs(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the pairs of different answers in each row: sum_{c<d} n_c n_d."""
    return (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)) / 2

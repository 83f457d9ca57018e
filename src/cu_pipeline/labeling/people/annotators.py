from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.options import PeopleOptions
from cu_pipeline.labeling.people.agreement import alpha_interval, krippendorff_alpha, peer_agreement
from cu_pipeline.labeling.people.annotator_quality import Verdict, informativeness
from cu_pipeline.labeling.people.ballots import Ballots, ballots
from cu_pipeline.labeling.people.dawid_skene import fit_dawid_skene


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
    human = annotations[annotations["kind"] == AnnotatorKind.HUMAN]
    clip_ids = pd.Index(clips["clip_id"])
    result: dict[str, Any] = {}
    for name, capability in capabilities.items():
        questions = ballots(human[human["capability"] == name], clip_ids, capability)
        result[name] = {asked or name: _table(one, options, seed) for asked, one in questions.items()}
    return result


def in_words(tables: Mapping[str, Any]) -> list[str]:
    """Write the agreement on each question, and whose answers are of no use, for the log."""
    lines = []
    for capability, questions in tables.items():
        for question, one in questions.items():
            asked = capability if question == capability else f"{capability}/{question}"
            if one["alpha"] is not None:
                low, high = one["alpha_ci95"]
                lines.append(
                    f"{asked}: people agree with Krippendorff's alpha {one['alpha']:.2f} ({low:.2f}–{high:.2f})"
                )
            lines += [
                f"{asked}: the answers of {person} say nothing about the clips (informativeness "
                f"{row['informativeness']:.2f}, at most {row['informativeness_ci95'][1]:.2f})"
                for person, row in one["annotators"].items()
                if row["verdict"] == Verdict.SPAMMER
            ]
    return lines


def _table(question: Ballots, options: PeopleOptions, seed: int) -> dict[str, Any]:
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

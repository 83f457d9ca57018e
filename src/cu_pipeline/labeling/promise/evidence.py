from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.labeling.allowance import Allowance
from cu_pipeline.labeling.intervals import ratio_interval, share_interval
from cu_pipeline.labeling.promise.certify import Question, accepted_by
from cu_pipeline.labeling.promise.options import Sample
from cu_pipeline.labeling.promise.trial import Trial
from cu_pipeline.labeling.promise.words import in_words


@dataclass(frozen=True)
class Case:
    """A question about one capability.

    Attributes:
        wanted: the test that is asked for.
        question: what machines say of the calibration clips and of the pool.
        pool: ids of the clips that are to be routed.
        sample: which clips the calibration clips are.
    """

    wanted: Trial
    question: Question
    pool: "pd.Index[str]"
    sample: Sample


def evidence(case: Case, trial: Trial, spent: Allowance) -> dict[str, Any]:
    """Say what holds for one capability, in numbers and in words.

    Args:
        case: what was asked.
        trial: the test that holds.
        spent: the account of delta after it.
    """
    question, terms = case.question, case.wanted.terms
    routed = accepted_by(question.pool, trial.verdicts, len(case.pool))
    accepted = int((routed >= 0).sum())
    clips = case.wanted.labels
    left = max(terms["delta"] - spent.spent(clips), 0.0)
    record = {
        "alpha": terms["alpha"],
        "delta": terms["delta"],
        "per_class": terms["per_class"],
        "calibration": {"sample": case.sample.value, "clips": len(clips), "tested": len(trial.labels)},
        "sources": [
            _source(machine, mine, question) for machine, mine in zip(question.pool, question.calibration, strict=True)
        ],
        "verdicts": [vars(verdict) for verdict in trial.verdicts],
        "pool": len(case.pool),
        "accepted": accepted,
        "coverage": accepted / len(case.pool) if len(case.pool) else None,
        "error_bound": terms["alpha"] if trial.certified else None,
        "delta_of_this_test": trial.delta,
        "delta_spent": terms["delta"] - left,
        "delta_left": left,
        "labels_needed": trial.more_labels,
        "human_price": question.human_price,
        "cost_per_correct": _cost(question, trial),
    }
    return record | {"words": in_words(case.wanted.capability, record)}


def _source(machine: Any, on_calibration: Any, question: Question) -> dict[str, Any]:
    answered = np.isfinite(on_calibration.confidence)
    right = int((on_calibration.answers == question.truth)[answered].sum())
    known = int(answered.sum())
    return {
        "source": machine.kind.value,
        "price": round(machine.price, 9),
        "answers": int(np.isfinite(machine.confidence).sum()),
        "calibration_answers": known,
        "right": right,
        "accuracy": round(right / known, 4) if known else None,
        "accuracy_ci95": share_interval(right, known),
    }


def _cost(question: Question, trial: Trial) -> dict[str, Any]:
    """Give US dollars for a correct label, as seen on the calibration clips and without the price of these."""
    if not trial.certified or not len(question.truth):
        return {"value": question.human_price, "ci95": None}
    routed = accepted_by(question.calibration, trial.verdicts, len(question.truth))
    machines = question.calibration
    asked = sum((np.isfinite(one.confidence) * pool.price for one, pool in zip(machines, question.pool, strict=True)))
    paid = np.asarray(asked + np.where(routed < 0, question.human_price, 0.0))
    answers = np.column_stack([machine.answers for machine in machines])
    taken = answers[np.arange(len(routed)), np.maximum(routed, 0)]
    right = ((routed < 0) | (taken == question.truth)).astype(float)
    return {"value": float(round(paid.sum() / max(right.sum(), 1), 9)), "ci95": ratio_interval(paid, right)}

from typing import Any

import numpy as np

from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.guarantee.alpha_spending import Allowance
from cu_pipeline.labeling.guarantee.cascade import accepted_before
from cu_pipeline.labeling.guarantee.certification import Case
from cu_pipeline.labeling.guarantee.certify import Question, accepted_by
from cu_pipeline.labeling.guarantee.in_turn import Asked
from cu_pipeline.labeling.guarantee.intervals import ratio_interval, share_interval
from cu_pipeline.labeling.guarantee.messages import in_words
from cu_pipeline.labeling.guarantee.results import Trial
from cu_pipeline.labeling.guarantee.settle import Settled


def evidence(case: Case, settled: Settled, spent: Allowance, asked: Asked) -> dict[str, Any]:
    """Say what holds for one capability, in numbers and in words.

    Args:
        case: what was asked.
        settled: where it stands.
        spent: the account of delta after it.
        asked: how far the language model was asked.
    """
    question, terms, trial = case.question, case.wanted.terms, settled.trial
    routed = accepted_by(question.pool, trial.verdicts, len(case.pool))
    accepted = int((routed >= 0).sum())
    clips = case.wanted.labels
    pool = len(case.pool) + sum(case.left_out.pool.values())
    left = max(terms["delta"] - spent.spent(clips), 0.0)
    record = {
        "alpha": terms["alpha"],
        "delta": terms["delta"],
        "per_class": terms["per_class"],
        "calibration": {
            "sample": case.sample.value,
            "clips": len(clips),
            "tested": len(trial.labels),
            "left_out": case.left_out.calibration,
        },
        "sources": [
            _source(machine, mine, question) for machine, mine in zip(question.pool, question.calibration, strict=True)
        ],
        "verdicts": [vars(verdict) for verdict in trial.verdicts],
        "pool": pool,
        "pool_left_out": case.left_out.pool,
        "pool_awaited": case.pool_awaited if settled.due and not settled.made else 0,
        "accepted": accepted,
        "coverage": accepted / pool if pool else None,
        "error_bound": terms["alpha"] if trial.certified else None,
        "delta_of_this_test": trial.delta,
        "delta_spent": terms["delta"] - left,
        "delta_left": left,
        "labels_needed": settled.labels_needed,
        "llm_clips_spared": asked.spared,
        "answers_awaited": asked.unanswered if settled.due and not settled.made else 0,
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
    """Give US dollars for a correct label of a new clip, as seen on the calibration clips, whose price is left out.

    All machines are asked, but for the language model where a label is certified before its turn.
    """
    if not trial.certified or not len(question.truth):
        return {"value": question.human_price, "ci95": None}
    routed = accepted_by(question.calibration, trial.verdicts, len(question.truth))
    machines = question.calibration
    certain = accepted_before(machines, trial.verdicts, len(question.truth))
    paid = np.where(routed < 0, question.human_price, 0.0)
    for machine, pool in zip(machines, question.pool, strict=True):
        spared = certain & (machine.kind is AnnotatorKind.LLM)
        paid += np.where(np.isfinite(machine.confidence) & ~spared, pool.price, 0.0)
    answers = np.column_stack([machine.answers for machine in machines])
    taken = answers[np.arange(len(routed)), np.maximum(routed, 0)]
    right = ((routed < 0) | (taken == question.truth)).astype(float)
    return {"value": float(round(paid.sum() / max(right.sum(), 1), 9)), "ci95": ratio_interval(paid, right)}

"""How often the sets of classes that a model gives hold the right one, and how large they are."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cu_pipeline.core.decision import prediction_sets
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.judged import Answered
from cu_pipeline.evaluation.metrics import METRICS


def set_report(test: Answered, threshold: float, bootstrap: Bootstrap) -> dict[str, Any]:
    """Measure prediction sets.

    Args:
        test: what a single-label model says of labelled clips that it has not seen.
        threshold: that a class reaches to be in a set.
        bootstrap: of the interval.

    Returns:
        `coverage`, the share of clips whose class is in their set, with `ci95`; `classes`, how many a set has on
        average; `alone`, the share of sets with one.
    """
    answers = test.answers
    sets = prediction_sets(answers.probabilities, threshold)
    held = replace(answers, decided=answers.truth & sets)  # right where, and only where, the set holds the class
    metric = {"accuracy": METRICS["accuracy"]}
    sizes = sets.sum(axis=1)
    return {
        "coverage": metric["accuracy"].of(held),
        "ci95": bootstrap.intervals(held, metric, test.units)["accuracy"],
        "classes": float(sizes.mean()),
        "alone": float((sizes == 1).mean()),
    }


def in_words(found: Mapping[str, Any]) -> str:
    """Say what sets hold.

    >>> in_words({"coverage": 0.91, "ci95": [0.85, 0.95], "classes": 1.4, "alone": 0.7})
    'sets of 1.4 classes on average hold the right one of 91% [85%, 95%]'
    """
    low, high = found["ci95"]
    return (
        f"sets of {found['classes']:.1f} classes on average hold the right one of {found['coverage']:.0%} "
        f"[{low:.0%}, {high:.0%}]"
    )

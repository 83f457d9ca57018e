"""What a model must beat to be of any use: always giving the label that is most common on training clips."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cu_pipeline.drift.holm import holm
from cu_pipeline.llm.lab.choosing import p_value
from cu_pipeline.llm.lab.development import Development, classes_of
from cu_pipeline.llm.lab.measuring import Measured, interval
from cu_pipeline.llm.lab.options import PromptsOptions


def against_base_rate(
    measured: Sequence[Measured], development: Development, options: PromptsOptions, seed: int
) -> tuple[dict[str, Any], list[Measured]]:
    """Compare all trials with the base rate, by the test that chooses the champion.

    Args:
        measured: the trials.
        development: the truth.
        options: resamples behind the interval, and the chance that any trial is called better where none is.
        seed: of the resamples.

    Returns:
        How often the base rate is right and how many trials are better, and the trials with their adjusted p-values.
    """
    usual = classes_of(development.usual, development.task.capability)
    right = (development.measured.truth == usual).all(axis=1)[None, :]
    adjusted = holm([p_value(one.right, right) for one in measured])
    facts = {
        "label": development.usual,
        "accuracy": float(right.mean()),
        "ci95": interval(right, seed, options.draws),
        "better": sum(p <= options.alpha for p in adjusted),
    }
    compared = zip(measured, adjusted, strict=True)
    return facts, [replace(one, result=one.result | {"p_base_rate": float(p)}) for one, p in compared]

"""Which prompt and method are better than what labels now, and which than the base rate."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cu_pipeline.llm.lab.development import Development, classes_of
from cu_pipeline.llm.lab.measuring import Measured, Statistics

TEST = "exact McNemar test, one-sided, adjusted by Holm"


def choose(
    measured: Sequence[Measured], alpha: float, statistics: Statistics
) -> tuple[Measured, dict[str, Any], list[dict[str, Any]]]:
    """Choose the best trial that is significantly better than the present one, which comes first; else the present.

    Args:
        measured: on the same clips.
        alpha: chance that any trial is chosen where none is better.
        statistics: the test, and its adjustment for the number of trials.

    Returns:
        The choice, the decision in words, and all results with their p-values, the most accurate first.
    """
    present, *others = measured
    p_values = [statistics.p_value(one.right, present.right) for one in others]
    adjusted = statistics.adjust(p_values)
    better = [one for one, p in zip(others, adjusted, strict=True) if p <= alpha]
    chosen = min(better, key=lambda one: (-one.result["accuracy"], one.result["usd_per_1000_clips"]), default=present)
    tests: list[tuple[float | None, float | None]] = [(None, None), *zip(p_values, adjusted, strict=True)]
    rows = [
        one.result | {"p_value": p, "p_adjusted": p_adjusted, "present": one is present, "chosen": one is chosen}
        for one, (p, p_adjusted) in zip(measured, tests, strict=True)
    ]
    decision = {
        "decision": "keep" if chosen is present else "promote",
        "present": present.result["name"],
        "chosen": chosen.result["name"],
        "compared": len(others),
        "better": len(better),
        "test": TEST,
        "alpha": alpha,
        "reason": _reason(chosen, present, len(others), len(better), rows),
    }
    return chosen, decision, sorted(rows, key=lambda row: (-row["accuracy"], row["usd_per_1000_clips"]))


def _reason(chosen: Measured, present: Measured, compared: int, better: int, rows: list[dict[str, Any]]) -> str:
    now, clips = present.result["accuracy"], present.right.shape[1]
    if chosen is present:
        return (
            f"{present.result['name']} stays: on {clips} clips its accuracy is {now:.3f}, and none of {compared} "
            "others is shown to be better"
        )
    p = next(row["p_adjusted"] for row in rows if row["chosen"])
    return (
        f"{chosen.result['name']} wins: on {clips} clips its accuracy is {chosen.result['accuracy']:.3f}, that of "
        f"{present.result['name']} {now:.3f} (adjusted p = {p:.2g}; {better} of {compared} are shown to be better)"
    )


def against_base_rate(
    measured: Sequence[Measured], development: Development, alpha: float, statistics: Statistics
) -> tuple[dict[str, Any], list[Measured]]:
    """Compare all trials with the base rate, by the test that chooses the champion.

    Args:
        measured: the trials.
        development: the truth.
        alpha: chance that any trial is called better where none is.
        statistics: the test, its adjustment, and the interval.

    Returns:
        How often the base rate is right and how many trials are better, and the trials with their adjusted p-values.
    """
    usual = classes_of(development.usual, development.task.capability)
    right = (development.measured.truth == usual).all(axis=1)[None, :]
    adjusted = statistics.adjust([statistics.p_value(one.right, right) for one in measured])
    facts = {
        "label": development.usual,
        "accuracy": float(right.mean()),
        "ci95": statistics.interval(right),
        "better": sum(p <= alpha for p in adjusted),
    }
    compared = zip(measured, adjusted, strict=True)
    return facts, [replace(one, result=one.result | {"p_base_rate": float(p)}) for one, p in compared]

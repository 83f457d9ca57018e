"""All numbers of one capability's model: by split, with intervals on the test split, beside baselines."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.options import Options
from cu_pipeline.core.records import Split
from cu_pipeline.evaluation.baselines import MAJORITY, BaselineData, baseline_probabilities, baselines_for
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.comparison import compare
from cu_pipeline.evaluation.gate_options import GateOptions
from cu_pipeline.evaluation.insight_options import InsightOptions
from cu_pipeline.evaluation.judged import Answered, ModelAnswers
from cu_pipeline.evaluation.metrics import (
    ANSWERS,
    METRICS,
    Metric,
    ScoredClips,
    confusion,
    measure,
    per_class,
    reliability,
)
from cu_pipeline.evaluation.selective import risk_by_coverage
from cu_pipeline.evaluation.set_coverage import set_report
from cu_pipeline.evaluation.skill import skill
from cu_pipeline.evaluation.slices import slices_report


class EvaluateOptions(Options):
    """Parameters of the evaluate pipeline.

    Attributes:
        bootstrap_draws: resamples behind each interval.
        gate_alpha: chance that any challenger which is no better than the champion is promoted on one set of test
            clips, however many are tried.
        gate: when a challenger is promoted.
        insights: what is told of models beside their numbers.
    """

    bootstrap_draws: int = Field(1000, ge=100)
    gate_alpha: float = Field(0.05, gt=0, lt=0.5)
    gate: GateOptions = Field(default_factory=GateOptions)
    insights: InsightOptions = Field(default_factory=InsightOptions)


def model_report(model: ModelAnswers, bootstrap: Bootstrap) -> dict[str, Any]:
    """Measure a model on each split that has labelled clips, and on those that it learned from as if it had not.

    Where it gives no answer its likeliest class counts, so that it can be held against others. What it leaves out, and
    how good the rest is, is told besides.

    Args:
        model: what it says.
        bootstrap: of the intervals on the test split, and of the cross-fitted numbers.

    Returns:
        A capability's part of the `metrics` dataset, without what compares it with other models.
    """
    report: dict[str, Any] = {"model_version": model.version, "classes": list(model.classes)}
    for split, given in model.splits.items():
        if len(given):
            report[split] = _block(given, bootstrap if split == Split.TEST else None)
            report |= _in_full(model, given) if split == Split.TEST else {}
            report |= {"unknown": list(model.unknown)} if split == Split.TEST and model.unknown else {}
            if split == Split.TEST and model.set_threshold is not None:
                report["prediction_sets"] = set_report(given, model.set_threshold, bootstrap)
    other = model.cross_fitted
    report["cross_fitted"] = _block(other, bootstrap) if other is not None and len(other) else None
    if model.unseen is not None:
        report["slices"] = slices_report(model.unseen)
    return report


def _in_full(model: ModelAnswers, test: Answered) -> dict[str, Any]:
    """What is told of the test split alone."""
    whole, classes = test.decided, list(model.classes)
    before = model.uncalibrated
    return {
        "confusion": confusion(whole, classes),
        "per_class": per_class(test.answers, classes),
        "reliability": reliability(whole),
        "calibration": {"before": None if before is None else _calibration(before), "after": _calibration(whole)},
        "selective": risk_by_coverage(whole),
        "skill": skill(whole, model.shares, test.units).to_json(),
    }


def _calibration(answers: ScoredClips) -> dict[str, float | None]:
    return {name: METRICS[name].of(answers) for name in ("ece", "log_loss", "brier")}


def _block(given: Answered, bootstrap: Bootstrap | None) -> dict[str, Any]:
    """How many clips of how many units, and every metric, with its interval if wanted."""
    block = {"n": len(given), "units": len(set(given.units))} | _measured(
        given.decided, METRICS, given.units, bootstrap
    )
    if not given.answers.answered.all():
        block["answers"] = _measured(given.answers, ANSWERS, given.units, bootstrap)
    return block


def _measured(
    answers: ScoredClips, metrics: Mapping[str, Metric], units: NDArray[Any], bootstrap: Bootstrap | None
) -> dict[str, Any]:
    found: dict[str, Any] = measure(answers, metrics)
    return found if bootstrap is None else found | {"ci95": bootstrap.intervals(answers, metrics, units)}


def ask_baselines(train: BaselineData, test: BaselineData, kind: Kind) -> dict[str, ScoredClips]:
    """Train every applicable baseline and ask it about the test clips.

    Args:
        train: what baselines learn from.
        test: the test clips.
        kind: of the capability.
    """
    return {
        name: ScoredClips.decide(kind, test.truth, baseline_probabilities(baseline, train, test, kind))
        for name, baseline in baselines_for(train).items()
    }


def baseline_report(
    baselines: Mapping[str, ScoredClips], test: pd.DataFrame, model: Answered | None, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Measure baselines, and what the model gains over each.

    Args:
        baselines: what each says of the test clips, the majority among them.
        test: rows of the table of clips.
        model: what the model says of them; None: it is not measured.
        bootstrap: of the intervals.

    Returns:
        Baseline -> the numbers of a split, those of `comparison.compare`, and whether it is better than the majority.
    """
    report = {}
    for name, answers in baselines.items():
        own = Answered(answers, test)
        report[name] = _block(own, bootstrap)
        report[name]["beats_majority"] = compare(answers, baselines[MAJORITY], own.units)["shown_better"]
        if model is not None:
            report[name] |= compare(model.decided, answers, own.units)
    return report

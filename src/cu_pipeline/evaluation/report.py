"""All numbers of one capability's model: by split, with intervals on the test split, beside baselines."""

from collections.abc import Mapping
from typing import Any

from cu_pipeline.evaluation.baselines import BaselineData, baseline_probabilities, baselines_for
from cu_pipeline.evaluation.bootstrap import intervals
from cu_pipeline.evaluation.metrics import METRICS, Answers, confusion, measure, per_class, reliability
from cu_pipeline.evaluation.options import EvaluateOptions


def with_intervals(answers: Answers, seed: int, draws: int) -> dict[str, Any]:
    """Give n, every metric, and its 95 % interval."""
    return {"n": len(answers)} | measure(answers) | {"ci95": intervals(answers, METRICS, seed, draws)}


def model_report(
    answers: Mapping[str, Answers], classes: list[str], seed: int, options: EvaluateOptions
) -> dict[str, Any]:
    """Measure a model on each split that has labelled clips.

    Args:
        answers: split -> predictions beside the truth; `test` gets intervals.
        classes: of the capability, in order.
        seed: of the bootstrap.
        options: of the bootstrap.
    """
    report: dict[str, Any] = {"classes": classes}
    for split, given in answers.items():
        if not len(given):
            continue
        if split == "test":
            report[split] = with_intervals(given, seed, options.bootstrap_draws)
            report["confusion"] = confusion(given, classes)
            report["per_class"] = per_class(given, classes)
            report["reliability"] = reliability(given)
        else:
            report[split] = {"n": len(given)} | measure(given)
    return report


def baseline_report(
    train: BaselineData, test: BaselineData, answers: Answers, seed: int, options: EvaluateOptions
) -> dict[str, Any]:
    """Train and measure every applicable baseline.

    Args:
        train: what baselines learn from.
        test: the test clips.
        answers: of the model, for kind and truth of the same test clips.
        seed: of the bootstrap.
        options: of the bootstrap.
    """
    report = {}
    for name, baseline in baselines_for(train).items():
        probabilities = baseline_probabilities(baseline, train, test, answers.kind)
        own = Answers.decide(answers.kind, answers.truth, probabilities)
        report[name] = with_intervals(own, seed, options.bootstrap_draws)
    return report

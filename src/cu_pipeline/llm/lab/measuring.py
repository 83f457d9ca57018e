"""What is found of trials: how often each is right, what a label costs, and which is better than what labels now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.llm.clients.call_log import Known
from cu_pipeline.llm.clients.dispatch import LanguageModel
from cu_pipeline.llm.clients.options import ClientOptions, ModelOptions
from cu_pipeline.llm.clients.protocol import ModelQuestion
from cu_pipeline.llm.lab.development import Development, classes_of
from cu_pipeline.llm.lab.trials import Trial
from cu_pipeline.llm.methods.interpret import Interpretation, interpret
from cu_pipeline.llm.methods.question_plan import Plan
from cu_pipeline.llm.methods.recipe import Recipe

Right = NDArray[np.bool_]
TEST = "exact McNemar test, one-sided, adjusted by Holm"


@dataclass(frozen=True)
class Statistics:
    """By what trials are judged. The lab takes the metrics and tests that also judge models, so the caller gives them.

    Attributes:
        metrics: kind, truth, probabilities and decided classes, (n, classes) each -> metrics by name.
        test: bool (n), bool (n): where one and another are right on the same clips -> p-value that one is no better.
        adjust: p-values -> the same, adjusted for their number.
        draws: bootstrap resamples behind an interval.
        seed: of the resamples.
    """

    metrics: Callable[[Kind, Right, NDArray[np.float64], Right], dict[str, float]]
    test: Callable[[Right, Right], float]
    adjust: Callable[[Sequence[float]], list[float]]
    draws: int
    seed: int

    def interval(self, right: Right) -> list[float]:
        """Bound the accuracy: its 95 % percentile bootstrap interval, clips being drawn with replacement.

        Args:
            right: bool (orders, clips).
        """
        of_clip, random = right.mean(axis=0), np.random.default_rng(self.seed)
        means = of_clip[random.integers(0, len(of_clip), (self.draws, len(of_clip)))].mean(axis=1)
        return [float(edge) for edge in np.percentile(means, [2.5, 97.5])]

    def p_value(self, one: Right, other: Right) -> float:
        """Test whether one trial is right more often than another.

        With several orders of the examples it is twice the median of the orders' p-values, which is valid however
        they depend on each other. Source: Meinshausen, Meier and Bühlmann, "p-Values for High-Dimensional
        Regression" (JASA 2009); Vovk and Wang, "Combining p-values via averaging" (Biometrika 2020).

        Args:
            one: bool (orders, clips): where it is right.
            other: likewise, on the same clips.
        """
        orders = max(len(one), len(other))
        p_values = [self.test(one[order % len(one)], other[order % len(other)]) for order in range(orders)]
        return p_values[0] if orders == 1 else min(1.0, 2 * float(np.median(p_values)))


@dataclass(frozen=True)
class Measured:
    """What was found of one trial.

    Attributes:
        recipe: with the bias that batch calibration found, so that it can be used on other captions.
        right: bool (orders, clips): whether all classes of the clip are right.
        result: what people compare, as JSON.
    """

    recipe: Recipe
    right: NDArray[np.bool_]
    result: dict[str, Any]


def measure(
    trial: Trial, development: Development, known: Known, client: ClientOptions, statistics: Statistics
) -> Measured:
    """Compare a trial's answers with people's labels: means over the orders of the examples.

    Args:
        trial: what was asked.
        development: the truth.
        known: the answers and the time that each took.
        client: which model was asked, and its prices.
        statistics: metrics and intervals.
    """
    identity = LanguageModel.of(client).identity
    said = [interpret(one, known.answers, identity, development.priors) for one in trial.plans]
    truth, kind = development.measured.truth, development.task.capability.kind
    metrics = [statistics.metrics(kind, truth, one.probabilities, decided(one, kind)) for one in said]
    right = np.array([right_of(one, truth, kind) for one in said])
    recipe, seconds = trial.recipe, _seconds(trial, known, identity)
    return Measured(
        recipe if recipe.bias else recipe.model_copy(update={"bias": said[0].bias}),
        right,
        {
            "name": recipe.name,
            "prompt": recipe.prompt,
            "method": recipe.method,
            "form": recipe.form,
            "shots": recipe.shots,
            "version": recipe.version,
            "template": recipe.template,
            "accuracy": float(right.mean()),
            "ci95": statistics.interval(right),
            "orders": [float(accuracy) for accuracy in right.mean(axis=1)],
            **{name: float(np.mean([one[name] for one in metrics])) for name in metrics[0]},
            "unparsed": float(np.mean([one.unparsed / len(right[0]) for one in said])),
            "unanswered": float(1 - np.mean([one.answered for one in said])),
            "usd_per_1000_clips": float(np.mean([_price(one, known, identity, client.chosen) for one in trial.plans])),
            "tokens_per_clip": float(np.mean([_tokens(one.questions, known, identity) for one in trial.plans])),
            "seconds_per_clip": seconds,
        },
    )


def decided(reading: Interpretation, kind: Kind) -> NDArray[np.bool_]:
    """Name the likeliest class, or every class that is likelier than not; nothing for a caption without an answer.

    Returns:
        bool (n, classes).
    """
    probabilities = reading.probabilities
    likeliest = probabilities.argmax(axis=1)[:, None] == np.arange(probabilities.shape[1])
    named = probabilities > 0.5 if kind is Kind.MULTI else likeliest
    return named & reading.answered[:, None]


def right_of(reading: Interpretation, truth: NDArray[np.bool_], kind: Kind) -> NDArray[np.bool_]:
    """Tell for each caption whether all its classes and no other are named; without an answer none is right.

    Args:
        reading: of n captions.
        truth: bool (n or more, classes).
        kind: of the capability.

    Returns:
        bool (n,).
    """
    right: NDArray[np.bool_] = (decided(reading, kind) == truth[: len(reading.answered)]).all(axis=1)
    return right & reading.answered


def _price(plan: Plan, known: Known, identity: str, model: ModelOptions) -> float:
    """The price in US dollars of 1,000 clips; the content-free questions are paid for once."""

    def paid(questions: Sequence[ModelQuestion]) -> list[float]:
        found = [known.answers[key] for one in questions if (key := one.key(identity)) in known.answers]
        return [model.price(answer.tokens, answer.output_tokens) for answer in found]

    each = paid(plan.questions)
    return 1000 * sum(each) / max(len(each), 1) + sum(paid(plan.content_free))


def _tokens(questions: Sequence[ModelQuestion], known: Known, identity: str) -> float:
    found = [known.answers[key].tokens for one in questions if (key := one.key(identity)) in known.answers]
    return sum(found) / max(len(found), 1)


def _seconds(trial: Trial, known: Known, identity: str) -> float | None:
    """The mean time of a clip's call in seconds; None where no time is known."""
    keys = [question.key(identity) for plan in trial.plans for question in plan.questions]
    found = [known.seconds[key] for key in keys if key in known.seconds]
    return float(np.mean(found)) if found else None


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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.evaluation.metrics import Answers, expected_calibration_error, macro_f1
from cu_pipeline.pipelines.prompts.development import Development, Labelled
from cu_pipeline.pipelines.prompts.options import PromptsOptions
from cu_pipeline.pipelines.prompts.trials import Trial
from cu_pipeline.prompting.clients import client_kind
from cu_pipeline.prompting.options import ClientOptions, ModelOptions
from cu_pipeline.prompting.plan import Plan
from cu_pipeline.prompting.question import AnyQuestion
from cu_pipeline.prompting.reading import Reading, read
from cu_pipeline.prompting.recipe import Recipe
from cu_pipeline.prompting.timed import Known


@dataclass(frozen=True)
class Measured:
    """What was found of one trial.

    Attributes:
        recipe: with the bias that batch calibration found, so that it can be used on other captions.
        right: bool (orders, clips).
        result: what people compare, as JSON.
    """

    recipe: Recipe
    right: NDArray[np.bool_]
    result: dict[str, Any]


def measure(
    trial: Trial, development: Development, known: Known, client: ClientOptions, options: PromptsOptions, seed: int
) -> Measured:
    """Compare a trial's answers with people's labels: means over the orders of the examples.

    Args:
        trial: what was asked.
        development: the truth.
        known: the answers and the time that each took.
        client: which model was asked, and its prices.
        options: resamples behind the interval.
        seed: of the resamples.
    """
    identity = client_kind(client).identity(client)
    readings = [read(one, known.answers, identity, development.priors) for one in trial.plans]
    answers = [_answers(reading, development.measured, one) for reading, one in zip(readings, trial.plans, strict=True)]
    right = np.array([one.correct() for one in answers])
    recipe, seconds = trial.recipe, _seconds(trial, known, identity)
    return Measured(
        recipe if recipe.bias else recipe.model_copy(update={"bias": readings[0].bias}),
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
            "ci95": _interval(right, seed, options.draws),
            "orders": [float(accuracy) for accuracy in right.mean(axis=1)],
            "macro_f1": float(np.mean([macro_f1(one) for one in answers])),
            "ece": float(np.mean([expected_calibration_error(one) for one in answers])),
            "unparsed": float(np.mean([one.unparsed / len(right[0]) for one in readings])),
            "unanswered": float(1 - np.mean([one.answered for one in readings])),
            "usd_per_1000_clips": float(np.mean([_price(one, known, identity, client.chosen) for one in trial.plans])),
            "tokens_per_clip": float(np.mean([_tokens(one.questions, known, identity) for one in trial.plans])),
            "seconds_per_clip": seconds,
        },
    )


def right_of(plan: Plan, truth: NDArray[np.int64], reading: Reading) -> NDArray[np.bool_]:
    """Tell for each caption whether the likeliest class is right; a caption without an answer is wrong."""
    return reading.answered & (reading.probabilities.argmax(axis=1) == truth[: len(plan.questions)])


def _answers(reading: Reading, measured: Labelled, plan: Plan) -> Answers:
    classes = np.arange(reading.probabilities.shape[1])
    decided = (reading.probabilities.argmax(axis=1)[:, None] == classes) & reading.answered[:, None]
    return Answers(plan.task.capability.kind, measured.truth[:, None] == classes, reading.probabilities, decided)


def _interval(right: NDArray[np.bool_], seed: int, draws: int) -> list[float]:
    """Give the 95 % percentile bootstrap interval of the accuracy, clips being drawn with replacement."""
    of_clip, random = right.mean(axis=0), np.random.default_rng(seed)
    means = of_clip[random.integers(0, len(of_clip), (draws, len(of_clip)))].mean(axis=1)
    return [float(edge) for edge in np.percentile(means, [2.5, 97.5])]


def _price(plan: Plan, known: Known, identity: str, model: ModelOptions) -> float:
    """Give the price in US dollars of 1,000 clips; the content-free questions are paid for once."""

    def paid(questions: Sequence[AnyQuestion]) -> list[float]:
        found = [known.answers[key] for one in questions if (key := one.key(identity)) in known.answers]
        return [model.price(answer.tokens, answer.output_tokens) for answer in found]

    each = paid(plan.questions)
    return 1000 * sum(each) / max(len(each), 1) + sum(paid(plan.content_free))


def _tokens(questions: Sequence[AnyQuestion], known: Known, identity: str) -> float:
    found = [known.answers[key].tokens for one in questions if (key := one.key(identity)) in known.answers]
    return sum(found) / max(len(found), 1)


def _seconds(trial: Trial, known: Known, identity: str) -> float | None:
    """Give the mean time of a clip's call; None where no time is known."""
    keys = [question.key(identity) for plan in trial.plans for question in plan.questions]
    found = [known.seconds[key] for key in keys if key in known.seconds]
    return float(np.mean(found)) if found else None

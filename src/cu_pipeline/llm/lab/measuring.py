from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.evaluation.metrics import Answers, expected_calibration_error, macro_f1
from cu_pipeline.llm.clients.call_log import Known
from cu_pipeline.llm.clients.dispatch import client_kind
from cu_pipeline.llm.clients.options import ClientOptions, ModelOptions
from cu_pipeline.llm.clients.protocol import ModelQuestion
from cu_pipeline.llm.lab.development import Development
from cu_pipeline.llm.lab.options import PromptsOptions
from cu_pipeline.llm.lab.trials import Trial
from cu_pipeline.llm.methods.interpret import Interpretation, interpret
from cu_pipeline.llm.methods.plan import Plan
from cu_pipeline.llm.methods.recipe import Recipe


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
    readings = [interpret(one, known.answers, identity, development.priors) for one in trial.plans]
    truth, kind = development.measured.truth, development.task.capability.kind
    answers = [Answers(kind, truth, one.probabilities, decided(one, kind)) for one in readings]
    right = np.array([right_of(one, truth, kind) for one in readings])
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
            "ci95": interval(right, seed, options.draws),
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


def interval(right: NDArray[np.bool_], seed: int, draws: int) -> list[float]:
    """Give the 95 % percentile bootstrap interval of the accuracy, clips being drawn with replacement."""
    of_clip, random = right.mean(axis=0), np.random.default_rng(seed)
    means = of_clip[random.integers(0, len(of_clip), (draws, len(of_clip)))].mean(axis=1)
    return [float(edge) for edge in np.percentile(means, [2.5, 97.5])]


def _price(plan: Plan, known: Known, identity: str, model: ModelOptions) -> float:
    """Give the price in US dollars of 1,000 clips; the content-free questions are paid for once."""

    def paid(questions: Sequence[ModelQuestion]) -> list[float]:
        found = [known.answers[key] for one in questions if (key := one.key(identity)) in known.answers]
        return [model.price(answer.tokens, answer.output_tokens) for answer in found]

    each = paid(plan.questions)
    return 1000 * sum(each) / max(len(each), 1) + sum(paid(plan.content_free))


def _tokens(questions: Sequence[ModelQuestion], known: Known, identity: str) -> float:
    found = [known.answers[key].tokens for one in questions if (key := one.key(identity)) in known.answers]
    return sum(found) / max(len(found), 1)


def _seconds(trial: Trial, known: Known, identity: str) -> float | None:
    """Give the mean time of a clip's call; None where no time is known."""
    keys = [question.key(identity) for plan in trial.plans for question in plan.questions]
    found = [known.seconds[key] for key in keys if key in known.seconds]
    return float(np.mean(found)) if found else None

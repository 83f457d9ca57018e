from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.prompting.calibration import calibrated, probabilities
from cu_pipeline.prompting.client import Answer, Generated, Scored
from cu_pipeline.prompting.parse import parse_answer
from cu_pipeline.prompting.plan import Plan

Logprobs = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """What a model's answers say of n captions.

    Attributes:
        probabilities: (n, classes); the prior where there is no answer.
        answered: bool (n): whether there is an answer that names a class.
        unparsed: captions to which the model wrote something that names no class.
        bias: natural logarithm of the mean probability of each answer; what batch calibration divided by.
    """

    probabilities: NDArray[np.float64]
    answered: NDArray[np.bool_]
    unparsed: int = 0
    bias: tuple[float, ...] = ()


def read(plan: Plan, known: Mapping[str, Answer], identity: str, priors: NDArray[np.float64]) -> Reading:
    """Turn answers into class probabilities.

    Calibration makes all classes equally likely beforehand; then the prior says how common they are. Scores
    without calibration and written answers are taken as they come.

    Args:
        plan: what was asked.
        known: answers by key; some may be missing.
        identity: of the model that was asked.
        priors: (classes,) in (0, 1).
    """
    answers = [known.get(question.key(identity)) for question in plan.questions]
    if plan.recipe.how.answer != "score":
        return _written(plan, answers, priors)
    scored = [answer if isinstance(answer, Scored) else None for answer in answers]
    answered = np.array([answer is not None for answer in scored], dtype=bool)
    result = np.tile(priors, (len(answers), 1))
    logprobs = np.array([answer.logprobs for answer in scored if answer])
    bias: tuple[float, ...] = ()
    reference = _reference(plan, logprobs, known, identity)
    if reference is None and plan.recipe.how.calibration != "none":
        answered[:] = False
    elif len(logprobs):
        bias = _log_mean(reference) if plan.recipe.how.calibration == "batch" and reference is not None else ()
        result[answered] = class_probabilities(logprobs, reference, priors, plan.task.capability.kind)
    return Reading(result, answered, 0, bias)


def class_probabilities(
    logprobs: Logprobs, reference: Logprobs | None, priors: NDArray[np.float64], kind: Kind
) -> NDArray[np.float64]:
    """Give the probability of each class for each caption.

    A class of a multi-label capability is weighed against the contrast alone.

    Args:
        logprobs: (n, answers) log-probabilities: of the classes, then of the contrast if `kind` is multi.
        reference: (m, answers) likewise, of captions that say what the model prefers anyway; None: no calibration,
            and no prior.
        priors: (classes,) in (0, 1).
        kind: of the capability.

    Returns:
        (n, classes).
    """
    if kind is Kind.SINGLE:
        return _weighed(logprobs, reference, priors)
    contrast = len(priors)
    pairs = [[place, contrast] for place in range(contrast)]
    against = [
        _weighed(
            logprobs[:, pair],
            None if reference is None else reference[:, pair],
            np.array([prior, 1 - prior]),
        )[:, 0]
        for pair, prior in zip(pairs, priors, strict=True)
    ]
    return np.column_stack(against)


def _weighed(logprobs: Logprobs, reference: Logprobs | None, priors: NDArray[np.float64]) -> NDArray[np.float64]:
    if reference is None:
        return probabilities(logprobs)
    joint = calibrated(logprobs, reference) * priors
    return joint / joint.sum(axis=1, keepdims=True)


def _reference(plan: Plan, logprobs: Logprobs, known: Mapping[str, Answer], identity: str) -> Logprobs | None:
    """Give the answers that show what the model prefers anyway, (m, answers); None where there are none."""
    calibration = plan.recipe.how.calibration
    if calibration == "none":
        return None
    if calibration == "batch":
        return np.array([plan.recipe.bias]) if plan.recipe.bias else logprobs
    answers = [known.get(question.key(identity)) for question in plan.content_free]
    found = [answer.logprobs for answer in answers if isinstance(answer, Scored)]
    return np.array(found) if found else None


def _log_mean(logprobs: Logprobs) -> tuple[float, ...]:
    return tuple(float(value) for value in np.log(probabilities(logprobs).mean(axis=0)))


def _written(plan: Plan, answers: Sequence[Answer | None], priors: NDArray[np.float64]) -> Reading:
    words = plan.task.answers(plan.recipe.form)
    texts = [answer.text if isinstance(answer, Generated) else None for answer in answers]
    places = [None if text is None else parse_answer(text, words) for text in texts]
    result = np.tile(priors, (len(answers), 1))
    for row, place in enumerate(places):
        if place is not None:
            result[row] = np.arange(len(priors)) == place
    answered = np.array([place is not None for place in places], dtype=bool)
    unparsed = sum(text is not None and place is None for text, place in zip(texts, places, strict=True))
    return Reading(result, answered, unparsed)

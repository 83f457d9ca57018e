"""From a model's answers to probabilities of classes: written ones are parsed, scores are calibrated."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.llm.clients.protocol import Answer, Generated, Scored
from cu_pipeline.llm.methods.question_plan import Plan
from cu_pipeline.llm.prompts.prompt import as_word
from cu_pipeline.llm.prompts.task import NOTHING


def parse_answer(text: str, answers: Sequence[str]) -> int | None:
    """Find which of the answers a model's own words name.

    The answer that is named first wins, the longest where several begin there; capitals do not matter, and an
    answer counts as a whole word only.

    Args:
        text: what the model wrote.
        answers: the possible ones.

    Returns:
        Place of the answer; None if none is named.

    >>> parse_answer(" It is about Pets, not cooking.", ["cooking", "pets"])
    1
    >>> parse_answer("petshop", ["cooking", "pets"]) is None
    True
    """
    named = re.search(_whole_word(answers), _first_line(text), re.IGNORECASE) if answers else None
    return _place(named[0], answers) if named else None


def parse_answers(text: str, answers: Sequence[str], nothing: Sequence[str]) -> tuple[int, ...] | None:
    """Find all answers that a model's own words name.

    Words are found as by `parse_answer`. An answer right after "no", "not" or "without" is denied and not named.
    Where what says that nothing holds comes first, nothing does, whatever follows.

    Args:
        text: what the model wrote.
        answers: the possible ones, any number of which may hold.
        nothing: words that say that none holds.

    Returns:
        Places of the answers that hold, in order; empty if none holds; None if nothing is named at all.

    >>> parse_answers("Violence, advert.", ["advert", "violence"], ["none"])
    (0, 1)
    >>> parse_answers("None: no advert", ["advert", "violence"], ["none"])
    ()
    >>> parse_answers("advert but no violence", ["advert", "violence"], ["none"])
    (0,)
    >>> parse_answers("a nice day", ["advert", "violence"], ["none"]) is None
    True
    """
    known = (*answers, *nothing)
    pattern = rf"{_whole_word(known)}|(?<!\w)(?:no|not|without)\s+(?P<denied>{_whole_word(answers)})"
    found = list(re.finditer(pattern, _first_line(text), re.IGNORECASE))
    if not found:
        return None
    named = [_place(one[0], known) for one in found if one["denied"] is None]
    if named and named[0] >= len(answers):
        return ()
    return tuple(sorted({place for place in named if place < len(answers)}))


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _whole_word(answers: Sequence[str]) -> str:
    """Match any of the answers, of which the longest is tried first."""
    longest_first = sorted(answers, key=len, reverse=True)
    return f"(?:{'|'.join(as_word(one, re.escape(one)) for one in longest_first)})"


def _place(word: str, answers: Sequence[str]) -> int:
    if word in answers:
        return answers.index(word)
    return next(place for place, answer in enumerate(answers) if re.fullmatch(re.escape(answer), word, re.IGNORECASE))


def probabilities(logprobs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn log-probabilities into the share of each answer among all answers, (..., k)."""
    shares = np.exp(logprobs - logprobs.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def calibrated(logprobs: NDArray[np.float64], content_free: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out of a model's answers what it prefers before it has read anything.

    Contextual calibration (Zhao et al. 2021, "Calibrate Before Use", diagonal W, no bias): each answer's
    probability is divided by its mean probability over content-free inputs, then all are normalised.

    Args:
        logprobs: (n, k) of k answers to n inputs.
        content_free: (m, k) of the same answers to m inputs that say nothing.

    Returns:
        (n, k) probabilities.

    >>> calibrated(np.log([[0.8, 0.2]]), np.log([[0.8, 0.2]])).tolist()
    [[0.5, 0.5]]
    """
    return probabilities(logprobs - _log_mean(content_free))


Logprobs = NDArray[np.float64]


@dataclass(frozen=True)
class Interpretation:
    """What a model's answers say of n captions.

    Attributes:
        probabilities: (n, classes); the prior where there is no answer.
        answered: bool (n): whether there is an answer that names a class.
        unparsed: captions to which the model wrote something that names no class.
        bias: what batch calibration divided by, as `Recipe.bias`.
    """

    probabilities: NDArray[np.float64]
    answered: NDArray[np.bool_]
    unparsed: int = 0
    bias: tuple[float, ...] = ()


def interpret(plan: Plan, known: Mapping[str, Answer], identity: str, priors: NDArray[np.float64]) -> Interpretation:
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
        kind = plan.task.capability.kind
        bias = _bias(reference, kind) if plan.recipe.how.calibration == "batch" and reference is not None else ()
        result[answered] = class_probabilities(logprobs, reference, priors, kind)
    return Interpretation(result, answered, 0, bias)


def class_probabilities(
    logprobs: Logprobs, reference: Logprobs | None, priors: NDArray[np.float64], kind: Kind
) -> NDArray[np.float64]:
    """Weigh what is said of classes into the probability of each for each caption.

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
    against = [
        _weighed(
            logprobs[:, pair],
            None if reference is None else reference[:, pair],
            np.array([prior, 1 - prior]),
        )[:, 0]
        for pair, prior in zip(_pairs(logprobs), priors, strict=True)
    ]
    return np.column_stack(against)


def _weighed(logprobs: Logprobs, reference: Logprobs | None, priors: NDArray[np.float64]) -> NDArray[np.float64]:
    if reference is None:
        return probabilities(logprobs)
    joint = calibrated(logprobs, reference) * priors
    return joint / joint.sum(axis=1, keepdims=True)


def _reference(plan: Plan, logprobs: Logprobs, known: Mapping[str, Answer], identity: str) -> Logprobs | None:
    """Collect the answers that show what the model prefers anyway, (m, answers); None where there are none."""
    calibration = plan.recipe.how.calibration
    if calibration == "none":
        return None
    if calibration == "batch":
        return np.array([plan.recipe.bias]) if plan.recipe.bias else logprobs
    answers = [known.get(question.key(identity)) for question in plan.content_free]
    found = [answer.logprobs for answer in answers if isinstance(answer, Scored)]
    return np.array(found) if found else None


def _bias(logprobs: Logprobs, kind: Kind) -> tuple[float, ...]:
    if kind is Kind.SINGLE:
        return tuple(map(float, _log_mean(logprobs)))
    means = [_log_mean(logprobs[:, pair]) for pair in _pairs(logprobs)]
    return (*(float(mine - contrast) for mine, contrast in means), 0.0)


def _log_mean(logprobs: Logprobs) -> Logprobs:
    """Take the logarithm of the mean probability of each answer, (..., k) -> (k,), also of one too small for a number.

    A name of a hundred letters is likelier than a short one by hundreds of powers of e.
    """
    means = probabilities(logprobs).mean(axis=0)
    if means.min() > np.finfo(float).tiny:
        return np.asarray(np.log(means))
    shares = logprobs - np.logaddexp.reduce(logprobs, axis=-1, keepdims=True)
    return np.asarray(np.logaddexp.reduce(shares, axis=0) - np.log(len(shares)))


def _pairs(logprobs: Logprobs) -> list[list[int]]:
    """Pair the columns of each class and of the contrast, which is the last."""
    contrast = logprobs.shape[1] - 1
    return [[place, contrast] for place in range(contrast)]


def _written(plan: Plan, answers: Sequence[Answer | None], priors: NDArray[np.float64]) -> Interpretation:
    texts = [answer.text if isinstance(answer, Generated) else None for answer in answers]
    named = [None if text is None else _named(plan, text) for text in texts]
    result = np.tile(priors, (len(answers), 1))
    for row, places in enumerate(named):
        if places is not None:
            result[row] = np.isin(np.arange(len(priors)), places)
    answered = np.array([places is not None for places in named], dtype=bool)
    unparsed = sum(text is not None and places is None for text, places in zip(texts, named, strict=True))
    return Interpretation(result, answered, unparsed)


def _named(plan: Plan, text: str) -> tuple[int, ...] | None:
    """Find the places of the classes that a text names; None if it names none and does not say that none holds."""
    form, classes = plan.recipe.form, plan.task.capability.classes
    choices = plan.task.choices(form) if plan.recipe.how.answer == "choose" else ()
    if text in choices:
        chosen = list(plan.task.combinations())[choices.index(text)]
        return tuple(place for place, name in enumerate(classes) if name in chosen)
    words = plan.task.answers(form)
    if plan.task.capability.kind is Kind.MULTI:
        *named, contrast = words
        return parse_answers(text, named, (contrast, *NOTHING))
    place = parse_answer(text, words)
    return None if place is None else (place,)

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.drift.holm import holm
from cu_pipeline.drift.options import DriftOptions
from cu_pipeline.drift.permutation import Mask, p_value, relabellings
from cu_pipeline.drift.question import Question, input_questions, part_titles, prediction_questions
from cu_pipeline.drift.snapshot import Snapshot, shared_parts


class Decision(StrEnum):
    """What a comparison found."""

    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    NOT_ENOUGH_DATA = "not_enough_data"


@dataclass(frozen=True)
class TestResult:
    """One test's outcome; `p_adjusted` is what `drifted` is decided on."""

    __test__ = False

    name: str
    kind: str
    method: str
    statistic: float
    p_value: float
    p_adjusted: float
    effect: float
    drifted: bool
    in_words: str


@dataclass(frozen=True)
class Comparison:
    """All tests' outcome.

    Attributes:
        decision: drift if any test drifted.
        tests: in the order asked.
        skipped: test -> why it was left out.
        missing: how many more current clips are needed; 0 where the tests were run.
    """

    decision: Decision
    tests: list[TestResult] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    missing: int = 0


@dataclass(frozen=True)
class _Answer:
    question: Question
    p_value: float
    statistic: float
    effect: float


def compare(
    reference: Snapshot,
    current: Snapshot,
    capabilities: dict[str, Kind],
    options: DriftOptions,
    seed: int,
) -> Comparison:
    """Test whether current clips are distributed as the reference's.

    Each question is answered by a permutation test and the p-values are adjusted by Holm's method, so the chance
    of declaring drift where there is none is at most `options.alpha`, provided that clips are independent (or
    their groups are given). Questions whose pool is constant are listed with p = 1 and are no part of the family.

    Args:
        reference: clips with a column `split`; `options` says which splits serve for what.
        current: clips that were predicted by the models that also predicted the reference.
        capabilities: those to test, with their kinds.
        options: what is tested and how.
        seed: makes the result repeatable.

    Returns:
        The decision and each test.

    Raises:
        ConfigurationError: options do not fit the tables.
    """
    if (missing := options.min_clips - len(current)) > 0:
        return Comparison(Decision.NOT_ENOUGH_DATA, missing=missing)
    answers: list[_Answer] = []
    skipped: dict[str, str] = {}
    for purpose, splits in (
        ("inputs", options.reference_splits),
        ("predictions", options.prediction_splits),
    ):
        side = Snapshot(reference.table[reference.table["split"].isin(splits)])
        if len(side) < options.min_reference:
            skipped[purpose] = (
                f"the reference has {len(side)} clips of {' and '.join(splits)}; {options.min_reference} are needed"
            )
            continue
        answers += _answers(purpose, side, current, capabilities, options, seed)
    _, apart = shared_parts(reference, current)
    reason = "the reference and the served models read other features"
    skipped |= {f"embedding_{shown}": reason for shown in part_titles(apart).values()}
    if not answers:
        return Comparison(Decision.NOT_ENOUGH_DATA, skipped=skipped)
    results = _adjusted(answers, options)
    drifted = any(result.drifted for result in results)
    return Comparison(Decision.DRIFT if drifted else Decision.NO_DRIFT, results, skipped)


def _answers(
    purpose: str,
    reference: Snapshot,
    current: Snapshot,
    capabilities: dict[str, Kind],
    options: DriftOptions,
    seed: int,
) -> list[_Answer]:
    rng = np.random.default_rng([seed, *hashlib.sha256(purpose.encode()).digest()])
    before, now = (side.thinned(options.max_clips, rng) for side in (reference, current))
    observed = np.repeat([False, True], [len(before), len(now)])
    groups = [side.groups() for side in (before, now)]
    pooled = None if any(side is None for side in groups) else np.concatenate([g for g in groups if g is not None])
    relabelled = relabellings(observed, options.permutations, rng, pooled)
    questions: Iterable[Question] = (
        input_questions(before, now, options.facts, shared_parts(before, now)[0])
        if purpose == "inputs"
        else prediction_questions(before, now, _shared(capabilities, before, now))
    )
    return [_answer(question, observed, relabelled) for question in questions]


def _shared(capabilities: dict[str, Kind], before: Snapshot, now: Snapshot) -> dict[str, Kind]:
    both = before.capabilities() & now.capabilities()
    return {name: kind for name, kind in capabilities.items() if name in both}


def _answer(question: Question, observed: Mask, relabelled: Mask) -> _Answer:
    if question.statistic.constant:
        return _Answer(question, 1.0, 0.0, 0.0)
    value = float(question.statistic(observed[None])[0])
    p = p_value(value, question.statistic(relabelled))
    return _Answer(question, p, value, question.statistic.effect(observed))


def _adjusted(answers: list[_Answer], options: DriftOptions) -> list[TestResult]:
    family = [answer for answer in answers if not answer.question.statistic.constant]
    if options.alpha * (options.permutations + 1) < len(family):
        raise ConfigurationError(
            f"monitor.permutations = {options.permutations} can never show drift at alpha = {options.alpha} among "
            f"{len(family)} tests: set it to {int(len(family) / options.alpha)} or more"
        )
    by_name = {
        answer.question.name: adjusted
        for answer, adjusted in zip(family, holm([answer.p_value for answer in family]), strict=True)
    }
    return [_result(answer, by_name.get(answer.question.name, 1.0), options.alpha) for answer in answers]


def _result(answer: _Answer, p_adjusted: float, alpha: float) -> TestResult:
    return TestResult(
        name=answer.question.name,
        kind=answer.question.kind,
        method=answer.question.method,
        statistic=answer.statistic,
        p_value=answer.p_value,
        p_adjusted=p_adjusted,
        effect=answer.effect,
        drifted=p_adjusted <= alpha,
        in_words=answer.question.in_words,
    )

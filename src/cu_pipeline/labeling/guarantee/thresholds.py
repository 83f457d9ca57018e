"""Thresholds on sources' confidences that provably keep the guarantee: which are tried, and which pass."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.guarantee.results import SUREST, CertificationResult
from cu_pipeline.labeling.guarantee.statistics import (
    MOST_ACCEPTED,
    binomial_p_values,
    fewest_accepted,
    fixed_sequence,
    labels_needed,
)

_LEVELS: Final = 40


@dataclass(frozen=True)
class Target:
    """What is guaranteed, and what sources cost.

    Attributes:
        alpha: largest share of wrong labels among those that no person looks at.
        delta: largest probability of breaking that guarantee.
        prices: source -> US dollars for one answer; sources are asked in this order.
        human_price: US dollars for a person's label, which counts as right.
    """

    alpha: float
    delta: float
    prices: Mapping[str, float]
    human_price: float


def route(confidence: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Send each clip to the first source that is confident enough.

    Args:
        confidence: (n, sources).
        thresholds: (..., sources).

    Returns:
        (..., n) number of the source; the number of sources stands for people.
    """
    accepts = confidence >= np.asarray(thresholds)[..., None, :]
    return np.where(accepts.any(axis=-1), accepts.argmax(axis=-1), confidence.shape[1])


def threshold_paths(pool: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """List the thresholds to try, each path from strict to lenient.

    At step k of 40 a source accepts the k/40 of the clips it answers that it is surest of. One path moves all
    sources together; of several sources, each also has a path on which it is the only one.

    Args:
        pool: (m, sources) confidences on clips that are to be routed; minus infinity where a source says nothing.

    Returns:
        Paths of (steps, sources) thresholds; infinite: the source is not asked.

    >>> threshold_paths(np.arange(200.0)[:, None])[0].ravel()[[0, -1]].tolist()
    [195.0, 0.0]
    """
    sources = pool.shape[1]
    together = np.column_stack([_levels(column[np.isfinite(column)]) for column in pool.T])
    if sources == 1:
        return [together]
    alone = [np.where(np.arange(sources) == source, together, np.inf) for source in range(sources)]
    return [together, *alone]


def certify(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], pool: NDArray[np.float64], target: Target
) -> CertificationResult:
    """Choose the cheapest thresholds among those that provably keep the guarantee.

    With probability at least 1 - delta over the draw of the calibration set, a new clip's label that the
    thresholds accept is wrong with probability at most alpha. The thresholds that are tried and their order
    follow from the pool's confidences and the number of calibration clips alone; each path of them is tested
    in sequence at an even part of delta. All that pass are valid at once, so the cheapest may be picked.

    Source: Angelopoulos et al., "Learn then Test" (2021), theorem 1 and algorithm 1.

    Args:
        confidence: (n, sources) on the calibration clips, a random sample of the same clips as the pool.
        right: (n, sources) whether the answers are those of people.
        pool: (m, sources) confidences on clips that are to be routed, none of them a calibration clip.
        target: guarantee and prices.
    """
    paths = threshold_paths(pool) if len(pool) else []
    tested = [_tested(path, confidence, right, pool, target, target.delta / len(paths)) for path in paths]
    passed = [(path, int(step)) for path in tested for step in np.flatnonzero(path.rejected)]
    bargains = [(path.cost[step], number) for number, (path, step) in enumerate(passed)]
    cost, number = min(bargains, default=(np.inf, -1))
    if cost >= target.human_price:
        lacking = [] if passed else [_lacking(path, len(right), target.alpha) for path in tested]
        return CertificationResult.nothing(min((number for number in lacking if number), default=None))
    path, step = passed[number]
    named = zip(target.prices, path.thresholds[step].tolist(), strict=True)
    found = {source: value for source, value in named if np.isfinite(value)}
    return CertificationResult(
        answer="",
        thresholds=dict(sorted(found.items())),
        accepted=int(path.accepted[step]),
        wrong=int(path.wrong[step]),
        p_value=float(path.p_values[step]),
        more_labels=0,
        sequence=list(found),
    )


def certify_each_answer(
    calibration: tuple[NDArray[np.float64], NDArray[np.object_]],
    truth: NDArray[np.object_],
    pool: tuple[NDArray[np.float64], NDArray[np.object_]],
    target: Target,
    answers: Sequence[str],
) -> list[CertificationResult]:
    """Keep the guarantee for each answer, not only for all together.

    Clips that get the same answer are a sample of their own, tested at delta / number of answers.

    Args:
        calibration: confidences, (n,), and answers, (n,), of whichever source is surest of each calibration clip.
        truth: (n,) people's labels.
        pool: likewise, (m,) and (m,), on the clips to be routed.
        target: its prices add up, since all sources are asked.
        answers: that are tested.

    Returns:
        A result for each answer; its `more_labels` are to be of clips of any answer.
    """
    (sure, said), (pool_sure, pool_said) = calibration, pool
    prices = {SUREST: sum(target.prices.values())}
    each = replace(target, delta=target.delta / max(len(answers), 1), prices=prices)
    results = []
    for answer in answers:
        mine = said == answer
        right = (truth[mine] == answer)[:, None]
        one = certify(sure[mine][:, None], right, pool_sure[pool_said == answer][:, None], each)
        if one.more_labels and mine.any():
            one = replace(one, more_labels=ceil(one.more_labels / mine.mean()))
        results.append(replace(one, answer=answer))
    return results


@dataclass(frozen=True)
class _TestedPath:
    """A path of thresholds and what the calibration set says of its steps; all arrays have a row a step."""

    thresholds: NDArray[np.float64]
    share: NDArray[np.float64]
    accepted: NDArray[np.int64]
    wrong: NDArray[np.int64]
    p_values: NDArray[np.float64]
    rejected: NDArray[np.bool_]
    cost: NDArray[np.float64]
    delta: float


def _tested(
    path: NDArray[np.float64],
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    pool: NDArray[np.float64],
    target: Target,
    delta: float,
) -> _TestedPath:
    people = confidence.shape[1]
    share = (route(pool, path) < people).mean(axis=1)
    destination = route(confidence, path)
    known = np.column_stack([right, np.ones(len(right), dtype=bool)])
    correct = known[np.arange(len(right)), destination]
    accepted = (destination < people).sum(axis=1)
    wrong = (~correct).sum(axis=1)
    p_values = binomial_p_values(wrong, accepted, target.alpha)
    ample = share * len(right) >= _first_step(len(right), fewest_accepted(target.alpha, delta))
    rejected = fixed_sequence(p_values, int((~ample).sum()), delta)
    cost = _paid(destination, path, target) / np.maximum(correct.sum(axis=1), 1)
    return _TestedPath(path, share, accepted, wrong, p_values, rejected, cost, delta)


def _first_step(labels: int, fewest: int) -> float:
    """Say how many clips the first step of a path shall accept by expectation.

    Just enough to certify without a mistake is too few, as one mistake then ends the path; with many labels it
    is a fifth of them, or enough for a few mistakes.
    """
    return max(1.2 * fewest, min(2.5 * fewest, labels / 5))


def _paid(destination: NDArray[np.int64], path: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """Add up the money for all clips at each step, (steps,): a clip pays each source up to its destination."""
    prices = np.where(np.isfinite(path), tuple(target.prices.values()), 0.0)
    running = np.cumsum(np.column_stack([prices, np.full(len(path), target.human_price)]), axis=1)
    return np.take_along_axis(running, destination, axis=1).sum(axis=1)


def _lacking(path: _TestedPath, labels: int, alpha: float) -> int | None:
    """Count the calibration labels that are lacking for the step that needs the fewest."""
    best = float(MOST_ACCEPTED)
    for share, accepted, wrong in zip(path.share, path.accepted, path.wrong, strict=True):
        if share > 0:
            found = labels_needed(alpha, path.delta, share, wrong / max(accepted, 1), best * share)
            best = min(best, found or best)
    return max(int(best) - labels, 1) if best < MOST_ACCEPTED else None


def _levels(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(confidence):
        return np.full(_LEVELS, np.inf)
    rows = np.ceil(len(confidence) * np.arange(1, _LEVELS + 1) / _LEVELS).astype(int) - 1
    return np.sort(confidence)[::-1][rows]

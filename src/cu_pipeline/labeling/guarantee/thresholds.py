from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.guarantee.certificate import Certificate, Terms
from cu_pipeline.labeling.guarantee.paths import threshold_paths
from cu_pipeline.labeling.guarantee.statistics import (
    MOST_ACCEPTED,
    binomial_p_values,
    fewest_accepted,
    fixed_sequence,
    labels_needed,
)


def route(confidence: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give each clip to the first source that is confident enough.

    Args:
        confidence: (n, sources).
        thresholds: (..., sources).

    Returns:
        (..., n) number of the source; the number of sources stands for people.
    """
    accepts = confidence >= np.asarray(thresholds)[..., None, :]
    return np.where(accepts.any(axis=-1), accepts.argmax(axis=-1), confidence.shape[1])


def certify(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], pool: NDArray[np.float64], terms: Terms
) -> Certificate:
    """Choose the cheapest thresholds among those that provably keep the promise.

    With probability at least 1 - delta over the draw of the calibration set, a new clip's label that the
    thresholds accept is wrong with probability at most alpha. The thresholds that are tried and their order
    follow from the pool's confidences and the number of calibration clips alone; each path of them is tested
    in sequence at an even part of delta. All that pass are valid at once, so the cheapest may be picked.

    Source: Angelopoulos et al., "Learn then Test" (2021), theorem 1 and algorithm 1.

    Args:
        confidence: (n, sources) on the calibration clips, a random sample of the same clips as the pool.
        right: (n, sources) whether the answers are those of people.
        pool: (m, sources) confidences on clips that are to be routed, none of them a calibration clip.
        terms: promise and prices.
    """
    paths = threshold_paths(pool) if len(pool) else []
    trials = [_tried(path, confidence, right, pool, terms, terms.delta / len(paths)) for path in paths]
    passed = [(trial, int(step)) for trial in trials for step in np.flatnonzero(trial.rejected)]
    bargains = [(trial.cost[step], number) for number, (trial, step) in enumerate(passed)]
    cost, number = min(bargains, default=(np.inf, -1))
    if cost >= terms.human_price:
        lacking = [] if passed else [_lacking(trial, len(right), terms.alpha) for trial in trials]
        return _nothing(terms, len(paths), min((number for number in lacking if number), default=None))
    trial, step = passed[number]
    return Certificate(
        thresholds=tuple(trial.path[step].tolist()),
        accepted=int(trial.accepted[step]),
        wrong=int(trial.wrong[step]),
        p_value=float(trial.p_values[step]),
        delta_each=trial.delta_each,
        cost_per_correct=float(cost),
        more_labels=0,
    )


def _nothing(terms: Terms, paths: int, more_labels: int | None) -> Certificate:
    nowhere = (np.inf,) * len(terms.prices)
    return Certificate(nowhere, 0, 0, 1.0, terms.delta / max(paths, 1), terms.human_price, more_labels)


def certify_each_class(
    confidence: NDArray[np.float64],
    answer: NDArray[np.int64],
    truth: NDArray[np.int64],
    pool: tuple[NDArray[np.float64], NDArray[np.int64]],
    terms: Terms,
    classes: int,
) -> list[Certificate]:
    """Keep the promise for each class that one source answers, not only for all together.

    Clips that get the same answer are a sample of their own, tested at delta / classes.

    Args:
        confidence: (n,) of the one source on the calibration clips.
        answer: (n,) class that it gives.
        truth: (n,) class that people give.
        pool: confidences, (m,), and answers, (m,), on the clips to be routed.
        terms: with one price.
        classes: number of classes.

    Returns:
        A certificate for each class; its `more_labels` are to be of clips of any class.
    """
    each = replace(terms, delta=terms.delta / classes)
    sure, said = pool
    certificates = []
    for number in range(classes):
        mine = answer == number
        right = (truth[mine] == number)[:, None]
        one = certify(confidence[mine][:, None], right, sure[said == number][:, None], each)
        if one.more_labels and mine.any():
            one = replace(one, more_labels=ceil(one.more_labels / mine.mean()))
        certificates.append(one)
    return certificates


@dataclass(frozen=True)
class _Trial:
    """One path of thresholds and what the calibration set says of its steps; all arrays have a row a step."""

    path: NDArray[np.float64]
    share: NDArray[np.float64]
    accepted: NDArray[np.int64]
    wrong: NDArray[np.int64]
    p_values: NDArray[np.float64]
    rejected: NDArray[np.bool_]
    cost: NDArray[np.float64]
    delta_each: float


def _tried(
    path: NDArray[np.float64],
    confidence: NDArray[np.float64],
    right: NDArray[np.bool_],
    pool: NDArray[np.float64],
    terms: Terms,
    delta: float,
) -> _Trial:
    people = confidence.shape[1]
    share = (route(pool, path) < people).mean(axis=1)
    destination = route(confidence, path)
    known = np.column_stack([right, np.ones(len(right), dtype=bool)])
    correct = known[np.arange(len(right)), destination]
    accepted = (destination < people).sum(axis=1)
    wrong = (~correct).sum(axis=1)
    p_values = binomial_p_values(wrong, accepted, terms.alpha)
    ample = share * len(right) >= _first_step(len(right), fewest_accepted(terms.alpha, delta))
    return _Trial(
        path=path,
        share=share,
        accepted=accepted,
        wrong=wrong,
        p_values=p_values,
        rejected=fixed_sequence(p_values, int((~ample).sum()), delta),
        cost=_paid(destination, path, terms) / np.maximum(correct.sum(axis=1), 1),
        delta_each=delta,
    )


def _first_step(labels: int, fewest: int) -> float:
    """Give how many clips the first step of a path shall accept by expectation.

    Just enough to certify without a mistake is too few, as one mistake then ends the path; with many labels it
    is a fifth of them, or enough for a few mistakes.
    """
    return max(1.2 * fewest, min(2.5 * fewest, labels / 5))


def _paid(destination: NDArray[np.int64], path: NDArray[np.float64], terms: Terms) -> NDArray[np.float64]:
    """Give the money for all clips at each step, (steps,): a clip pays each source up to its destination."""
    prices = np.where(np.isfinite(path), terms.prices, 0.0)
    running = np.cumsum(np.column_stack([prices, np.full(len(path), terms.human_price)]), axis=1)
    return np.take_along_axis(running, destination, axis=1).sum(axis=1)


def _lacking(trial: _Trial, labels: int, alpha: float) -> int | None:
    """Give how many calibration labels are lacking for the step that needs the fewest."""
    best = float(MOST_ACCEPTED)
    for share, accepted, wrong in zip(trial.share, trial.accepted, trial.wrong, strict=True):
        if share > 0:
            found = labels_needed(alpha, trial.delta_each, share, wrong / max(accepted, 1), best * share)
            best = min(best, found or best)
    return max(int(best) - labels, 1) if best < MOST_ACCEPTED else None

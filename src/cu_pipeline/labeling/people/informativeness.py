"""Whether a person's answers depend on what is right, told only where there is enough evidence."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.labeling.people.crowd import DawidSkene, log_joint, normalised
from cu_pipeline.labeling.people.votes import Votes

_SURE: Final = 0.8
"""Probability, by the others' answers alone, from which a clip's right answer counts as known."""

_SPAMMER: Final = 0.95
"""Probability from which somebody is called a spammer: at most 5 % of those who are named are expected to be honest."""

_TAIL: Final = 0.05
"""Chance that an honest person does as badly in a class, over which nobody is accused."""

_USELESS: Final = 0.03
"""Score under which answers are of no use: with two answers, who is right on 59 % of each kind of clip has it."""

_FEWEST: Final = 20
"""Votes on clips whose right answer is known, under which nobody is called a spammer."""

_COMMON: Final = 0.1
"""Share of spammers that is assumed where nobody has answered yet; it has the weight of ten people."""

_ACCURACY: Final = 0.8
"""Of honest people in a class, where nobody has answered yet; it has the weight of two people."""

_ALIKE: Final = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""How much honest people may resemble one another, as the number of votes that what is common to them is worth."""

_WEAK: Final = 2.0
"""Votes that what honest people share is worth in an interval: few, since skill in one class goes with skill in others,
which independent rows leave out."""

_ROUNDS: Final = 100

_NUMBERS: Final = 1_000_000
"""Drawn at once, to bound memory."""


class Verdict(StrEnum):
    """What the answers say of who gave them."""

    INFORMATIVE = "informative"
    SPAMMER = "spammer"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Informativeness:
    """How far an annotator's answers depend on what is right.

    Attributes:
        score: 0: not at all (always the same, or at random), 1: always right; NaN where nothing is known.
        low: lower end of the 95 % credible interval; 0 unless the votes show more.
        high: upper end, above 0.
        verdict: spammers are named as `informativeness` says; an informative one's interval lies above 0.
    """

    score: float
    low: float
    high: float
    verdict: Verdict


@dataclass(frozen=True)
class _Crowd:
    """What sets honest annotators apart from those who do not look; m annotators, k answers.

    Attributes:
        rows: (k, k): pseudo-votes for an answer (column) where an answer is right (row), of an honest annotator.
        evidence: (m,): log of the odds that the votes alone give for honesty.
        spammer: (m,): probability of being none, given how common these are.
    """

    rows: NDArray[np.float64]
    evidence: NDArray[np.float64]
    spammer: NDArray[np.float64]


def informativeness(said: Votes, fitted: DawidSkene, seed: int, draws: int) -> list[Informativeness]:
    """Score each annotator against what the others and the gold answers say is right.

    An honest annotator's answers to clips with one right answer follow a distribution of their own, drawn from one that
    honest people share (a Dirichlet for each right answer); a spammer's follow one distribution whatever is right.
    Both, and the share of spammers, are estimated from everybody's votes. Somebody is called a spammer if

    - they judged at least `_FEWEST` clips, of at least two right answers,
    - the probability of that is at least 95 %: the local false discovery rate is then at most 5 %, and with it the
      share of the honest among those who are named, over all annotators together,
    - on some class honest people would do as badly in 5 % of cases at most, by the exact beta-binomial tail, so that
      nobody is accused for being better than others, and
    - their own votes do not speak for a dependence on what is right (Bayes factor of a table of answers);

    or, for those of whom much is known in a small or mixed crowd, if their own votes alone show a score below
    `_USELESS`, at a level of 5 % divided by the number of annotators (Bonferroni).

    Clips whose right answer the others leave open are not counted. The score is Raykar and Yu's: with A_ca = P(answer a
    | c is right) and C answers, the mean over pairs c < d of |A_c - A_d|^2 / 2, here with its posterior: 0 with the
    probability of being a spammer, even odds given beforehand, else by the votes and by what honest people share. The
    interval's upper end is that of an honest person with these votes, so that it has a width whatever is thought of
    them.

    Source: Raykar & Yu, "Eliminating Spammers and Ranking Annotators for Crowdsourced Labeling Tasks", JMLR 13
    (2012), equation 9; Efron, "Large-Scale Inference" (2010), chapter 5, for the local false discovery rate.

    Args:
        said: of one question.
        fitted: Dawid and Skene's model of them.
        seed: of the draws.
        draws: number of draws behind an interval.

    Returns:
        One for each of `said.annotators`.
    """
    tables = _answers_by_truth(said, fitted)
    if not len(tables):
        return []
    crowd = _fit(tables)
    random = np.random.default_rng(seed)
    named = _named(tables, crowd) | _useless(tables, random)
    return [_judge(table, crowd, place, bool(named[place]), random, draws) for place, table in enumerate(tables)]


def _answers_by_truth(said: Votes, fitted: DawidSkene) -> NDArray[np.float64]:
    """Count each annotator's votes, (annotators, right answer, given answer), where others or gold tell what is right.

    The annotator's own vote does not speak.
    """
    votes = np.bincount(said.clip, minlength=said.clips)
    own = np.log(fitted.confusion)[said.annotator, :, said.answer]
    truth = normalised(log_joint(said, fitted.prior, fitted.confusion)[said.clip] - own)
    gold = said.gold[said.clip]
    truth[gold >= 0] = np.eye(said.answers)[gold[gold >= 0]]
    known = ((votes[said.clip] > 1) | (gold >= 0)) & (truth.max(axis=1, initial=0) >= _SURE)
    tables: NDArray[np.float64] = np.zeros((len(said.annotators), said.answers, said.answers))
    np.add.at(tables, (said.annotator[known], truth[known].argmax(axis=1), said.answer[known]), 1)
    return tables


def _fit(tables: NDArray[np.float64]) -> _Crowd:
    """Estimate by expectation and maximisation what honest people share and how many are not, from (m, k, k) votes."""
    people, size = tables.shape[:2]
    votes = tables.sum(axis=2)
    careless = _log_chance(tables.sum(axis=1), np.full(size, 0.5))
    start = np.full((size, size), (1 - _ACCURACY) / (size - 1))
    np.fill_diagonal(start, _ACCURACY)
    spammer: NDArray[np.float64] = np.full(people, _COMMON)
    alike = _ALIKE[1]
    for _ in range(_ROUNDS):
        weight = (1 - spammer)[:, None] / (votes + alike)
        common = (weight[:, :, None] * tables).sum(axis=0) + 2 * start
        common = common / common.sum(axis=1, keepdims=True)
        honest = np.array([_log_chance(tables, one * common).sum(axis=1) for one in _ALIKE])
        best = int(((1 - spammer) * honest).sum(axis=1).argmax())
        alike, evidence = _ALIKE[best], honest[best] - careless
        share = min(0.5, (spammer.sum() + 10 * _COMMON) / (people + 10))
        updated = _probability(evidence + np.log((1 - share) / share))
        moved = np.abs(updated - spammer).max(initial=0.0)
        spammer = updated
        if moved < 1e-6:
            break
    return _Crowd(alike * common, evidence, spammer)


def _named(tables: NDArray[np.float64], crowd: _Crowd) -> NDArray[np.bool_]:
    """Say who is called a spammer, (m,)."""
    from scipy.stats import betabinom

    size = tables.shape[1]
    right = np.diagonal(tables, axis1=1, axis2=2)
    hit = np.diagonal(crowd.rows)
    tail = betabinom.cdf(right, tables.sum(axis=2).astype(np.int64), hit, crowd.rows.sum(axis=1) - hit).min(axis=1)
    flat = np.full(size, 0.5)
    dependent = _log_chance(tables, np.tile(flat, (size, 1))).sum(axis=1) > _log_chance(tables.sum(axis=1), flat)
    enough = _several(tables) & (tables.sum(axis=(1, 2)) >= _FEWEST)
    named: NDArray[np.bool_] = enough & (crowd.spammer >= _SPAMMER) & (tail <= _TAIL) & ~dependent
    return named


def _useless(tables: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Say whose votes alone show that they are of no use, (m,), all of them with certainty of 95 % together."""
    level = (1 - _SPAMMER) / len(tables)
    likely = tables + 0.5
    low = _scores(likely / likely.sum(axis=2, keepdims=True)) < _USELESS / 2
    useless = np.zeros(len(tables), dtype=bool)
    draws, at_once = math.ceil(4 / level), math.ceil(_NUMBERS / tables.shape[1] ** 2)
    for place in np.flatnonzero(low & (tables.sum(axis=2) > 1 / _USELESS).all(axis=1)):
        parts = [min(at_once, draws - start) for start in range(0, draws, at_once)]
        above = sum((_scores(_draw(likely[place], random, part)) >= _USELESS).sum() for part in parts)
        useless[place] = above <= level * draws
    return useless


def _draw(pseudo: NDArray[np.float64], random: np.random.Generator, draws: int) -> NDArray[np.float64]:
    """Draw (draws, k, k) confusions whose rows are Dirichlet of (k, k) pseudo-votes."""
    gammas = random.gamma(pseudo, size=(draws, *pseudo.shape))
    drawn: NDArray[np.float64] = gammas / np.maximum(gammas.sum(axis=2, keepdims=True), np.finfo(float).tiny)
    return drawn


def _scores(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score (n, k, k) confusions: sum_{c<d} |A_c - A_d|^2 = k sum_c |A_c|^2 - |sum_c A_c|^2, over k (k - 1)."""
    size = rows.shape[1]
    scores = size * (rows**2).sum(axis=(1, 2)) - (rows.sum(axis=1) ** 2).sum(axis=1)
    score: NDArray[np.float64] = scores / (size * (size - 1))
    return score


def _several(tables: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say of which annotators clips of two right answers are known, on the last two axes of (…, k, k) votes."""
    several: NDArray[np.bool_] = (tables.sum(axis=-1) > 0).sum(axis=-1) > 1
    return several


def _judge(
    table: NDArray[np.float64], crowd: _Crowd, place: int, named: bool, random: np.random.Generator, draws: int
) -> Informativeness:
    if not _several(table):
        return Informativeness(float("nan"), float("nan"), float("nan"), Verdict.UNDECIDED)
    weak = crowd.rows * _WEAK / crowd.rows.sum(axis=1, keepdims=True)
    scores = _scores(_draw(weak + table, random, draws))
    high = np.percentile(scores, 97.5)
    none = _probability(crowd.evidence[place : place + 1])[0]
    mixed = np.where((np.arange(draws) + 0.5) / draws < none, 0.0, scores)
    low = np.percentile(mixed, 2.5)
    verdict = Verdict.INFORMATIVE if low > 0 else Verdict.UNDECIDED
    return Informativeness(float(mixed.mean()), float(low), float(high), Verdict.SPAMMER if named else verdict)


def _probability(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logarithms of odds for honesty into probabilities against it."""
    against: NDArray[np.float64] = 1 / (1 + np.exp(np.clip(odds, -700, 700)))
    return against


def _log_chance(counts: NDArray[np.float64], pseudo: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the log probability of a series of answers, (…, k) counts, under a Dirichlet of (…, k) pseudo-votes."""
    from scipy.special import gammaln

    each = (gammaln(pseudo + counts) - gammaln(pseudo)).sum(axis=-1)
    total = pseudo.sum(axis=-1)
    chance: NDArray[np.float64] = each + gammaln(total) - gammaln(total + counts.sum(axis=-1))
    return chance

"""Who is called a spammer, by simulation: honest people and planted spammers whose part is known."""

import numpy as np
import pytest

from cu_pipeline.labeling.people.crowd import fit_dawid_skene
from cu_pipeline.labeling.people.informativeness import Informativeness, Verdict, informativeness
from cu_pipeline.labeling.people.votes import Votes

_PER_CREATOR = 10


def _votes(rows: list[tuple[int, int, int]], gold: np.ndarray, answers: int = 2) -> Votes:
    clip, annotator, answer = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    names = tuple(f"p{place}" for place in range(annotator.max() + 1))
    return Votes(clip, annotator, answer, len(gold), names, answers, gold)


def _answers(random: np.random.Generator, truth: np.ndarray, prior: np.ndarray, spammer: bool) -> np.ndarray:
    """Answer as somebody who is right at a rate of 60 to 95 %, or as one who answers the same, evenly or by habit."""
    size = len(prior)
    if not spammer:
        wrong = (truth + random.integers(1, size, len(truth))) % size
        return np.where(random.random(len(truth)) < random.uniform(0.6, 0.95), truth, wrong)
    same = np.eye(size)[random.integers(size)]
    return random.choice(size, len(truth), p=(same, np.full(size, 1 / size), prior)[random.integers(3)])


def _corpus(
    seed: int, people: int, clips: int, prior: tuple[float, ...], share: float, gold: bool
) -> tuple[Votes, np.ndarray]:
    """Let people judge 3 to 200 clips each of a few creators, whose clips are mostly of one class."""
    random, weights = np.random.default_rng(seed), np.array(prior)
    creators = np.repeat(random.choice(len(prior), clips // _PER_CREATOR, p=prior), _PER_CREATOR)
    truth = np.where(random.random(clips) < 0.8, creators, random.choice(len(prior), clips, p=prior))
    spammer = random.random(people) < share
    rows: list[tuple[int, int, int]] = []
    for person, wanted in enumerate(np.exp(random.uniform(np.log(3), np.log(200), people)).astype(int)):
        known = random.permutation(clips // _PER_CREATOR)[: int(np.ceil(wanted / _PER_CREATOR * 1.3))]
        mine = random.permutation(np.flatnonzero(np.isin(np.arange(clips) // _PER_CREATOR, known)))[:wanted]
        given = _answers(random, truth[mine], weights, bool(spammer[person]))
        rows += [(int(clip), person, int(answer)) for clip, answer in zip(mine, given, strict=True)]
    return _votes(rows, truth if gold else np.full(clips, -1), len(prior)), spammer


def _judged(said: Votes, seed: int = 0, draws: int = 100) -> list[Informativeness]:
    return informativeness(said, fit_dawid_skene(said), seed, draws)


@pytest.mark.parametrize(
    ("corpora", "people", "clips", "prior", "share", "gold", "power"),
    [
        (16, 100, 800, (0.9, 0.1), 0.1, False, 0.25),
        (8, 100, 800, (0.9, 0.1), 0.1, True, 0.35),
        (16, 40, 400, (0.6, 0.2, 0.1, 0.06, 0.04), 0.1, False, 0.8),
        (8, 100, 800, (0.9, 0.1), 0.0, False, None),
    ],
)
def test_at_most_one_in_twenty_of_those_named_is_honest(
    corpora: int, people: int, clips: int, prior: tuple[float, ...], share: float, gold: bool, power: float | None
) -> None:
    named = honest = busy = found = 0
    for seed in range(corpora):
        said, spammer = _corpus(seed, people, clips, prior, share, gold)
        accused = np.array([one.verdict is Verdict.SPAMMER for one in _judged(said, seed)])
        many = np.bincount(said.annotator, minlength=len(accused)) >= 50
        named, honest = named + accused.sum(), honest + (accused & ~spammer).sum()
        busy, found = busy + (spammer & many).sum(), found + (accused & spammer & many).sum()
    assert honest <= 0.05 * named
    assert power is None or found >= power * busy > 0


def test_the_interval_holds_the_score_and_has_a_width() -> None:
    """Of honest people with skill s among two answers the score is (2 s - 1)^2."""
    random = np.random.default_rng(1)
    gold, covered = random.integers(0, 2, 400), []
    skills = random.uniform(0.6, 0.95, 200)
    rows = []
    for person, skill in enumerate(skills):
        mine = random.permutation(400)[: random.integers(3, 60)]
        right = random.random(len(mine)) < skill
        rows += [(c, person, g if r else 1 - g) for c, g, r in zip(mine, gold[mine], right, strict=True)]
    for one, skill in zip(_judged(_votes(rows, gold), draws=400), skills, strict=True):
        if not np.isnan(one.score):
            covered.append(one.low <= (2 * skill - 1) ** 2 <= one.high)
            assert one.low <= one.score <= one.high
            assert one.high - one.low > 0.01
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("answer", [0, 1])
def test_clips_of_one_class_tell_nothing(answer: int) -> None:
    gold = np.r_[np.zeros(150, dtype=np.int64), np.ones(150, dtype=np.int64)]
    rows = [(clip, 0, answer) for clip in range(150)]
    rows += [(clip, person, gold[clip] ^ (clip % 9 == person)) for clip in range(300) for person in range(1, 7)]
    judged = _judged(_votes(rows, gold))
    assert judged[0].verdict is Verdict.UNDECIDED
    assert np.isnan(judged[0].score)
    assert {one.verdict for one in judged[1:]} == {Verdict.INFORMATIVE}


def test_nobody_is_accused_of_being_better_than_the_others() -> None:
    """One who is always right on 200 clips, but once on the only clip of the rare class, in a crowd that errs often."""
    random = np.random.default_rng(2)
    gold = np.r_[np.zeros(200, dtype=np.int64), np.ones(40, dtype=np.int64)]
    rows = [(clip, 0, 0) for clip in range(201)]
    rows += [(c, person, gold[c] ^ (random.random() < 0.25)) for c in range(240) for person in range(1, 12)]
    assert _judged(_votes(rows, gold))[0].verdict is not Verdict.SPAMMER


def test_who_always_errs_is_no_spammer_since_the_answers_tell_what_is_right() -> None:
    gold = np.tile([0, 1], 100)
    rows = [(clip, 0, 1 - gold[clip]) for clip in range(200)]
    rows += [(clip, person, gold[clip] ^ (clip % 8 == person)) for clip in range(200) for person in range(1, 7)]
    judged = _judged(_votes(rows, gold))
    assert judged[0].verdict is Verdict.INFORMATIVE
    assert judged[0].score > 0.8


def test_few_votes_leave_everybody_undecided() -> None:
    gold = np.tile([0, 1], 150)
    rows = [(clip, 0, 0) for clip in range(8)]
    rows += [(clip, person, gold[clip]) for person in range(1, 90) for clip in range(3 * person, 3 * person + 3)]
    judged = _judged(_votes(rows, gold))
    assert judged[0].verdict is Verdict.UNDECIDED
    assert all(one.verdict is not Verdict.SPAMMER and one.high > one.low for one in judged)

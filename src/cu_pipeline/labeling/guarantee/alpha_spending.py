"""Alpha spending: which tests there may ever be and what each costs, fixed before any outcome is known."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from cu_pipeline.labeling.guarantee.results import CertificationResult, CertificationTest
from cu_pipeline.labeling.guarantee.statistics import fewest_accepted

GROWTH: Final = 2
"""From each scheduled size of a calibration set to the next."""


def scheduled(first: int, stage: int) -> int:
    """Say how many calibration labels the tests of a stage use.

    Args:
        first: those of the first test.
        stage: from 1.

    >>> [scheduled(80, stage) for stage in (1, 2, 3)]
    [80, 160, 320]
    """
    return int(first * GROWTH ** (stage - 1))


def stage_of(labels: int, first: int) -> int:
    """Find the last stage for which there are labels enough; 1 where some were lost since the first test.

    >>> [stage_of(labels, 80) for labels in (70, 159, 160, 700)]
    [1, 1, 2, 4]
    """
    stage = 1
    while scheduled(first, stage + 1) <= labels:
        stage += 1
    return stage


def turn_of(question: int, stage: int) -> int:
    """Number the turn of the test of a question, numbered from 1, at a stage: k questions and stages share turn k.

    >>> [turn_of(question, stage) for question, stage in ((1, 1), (1, 2), (2, 1), (3, 1))]
    [1, 2, 2, 3]
    """
    return question + stage - 1


@dataclass(frozen=True)
class AlphaAccount:
    """How much probability of error calibration clips were charged with, and how much is left.

    Every test on clips that served before adds its delta to theirs (union bound), whatever the other clips of
    that test are. A test that is repeated on the same clips gives the same answer and is free.

    Attributes:
        tests: of one capability, in order.
        total: delta of all tests on a clip together.
    """

    tests: Sequence[CertificationTest]
    total: float

    def spent(self, clips: Collection[str]) -> float:
        """Add up the deltas of all tests that used any of `clips`."""
        return sum(test.delta for test in self.tests if not test.labels.keys().isdisjoint(clips))

    def left(self, clips: Collection[str]) -> float:
        """Say what is left for clips."""
        return max(self.total - self.spent(clips), 0.0)

    def share(self, planned: CertificationTest, turn: int) -> float:
        """Say which delta a test gets.

        Turn k has total / (k (k + 1)), which adds up to the total, shared evenly by the k tests that may be made in it.

        Args:
            planned: the test.
            turn: k, from 1.

        >>> AlphaAccount([], 0.06).share(CertificationTest("topic", {}, {"1": "a"}, 0.0), 1)
        0.03
        """
        for test in self.tests:
            if (test.terms, test.labels) == (planned.terms, planned.labels):
                return test.delta
        return min(self.total / (turn * turn * (turn + 1)), self.left(planned.labels))


@dataclass(frozen=True)
class Standing:
    """Where a question to the calibration set stands.

    Attributes:
        holds: the test whose results hold.
        due: the test that is to be made, without an outcome; None: none is.
        made: tests that were made now: none or one.
        labels_needed: calibration labels that are lacking; 0: something is certified; None: no number helps.
    """

    holds: CertificationTest
    due: CertificationTest | None = None
    made: list[CertificationTest] = field(default_factory=list)
    labels_needed: int | None = 0


@dataclass(frozen=True)
class _Schedule:
    """The tests with which a question shares calibration clips, and what follows for its own.

    Attributes:
        tests: in order.
        first: calibration clips of the first of them, or of the one that would be the first.
        question: number of the question among those that were tested.
    """

    tests: Sequence[CertificationTest]
    first: int
    question: int

    @classmethod
    def of(cls, wanted: CertificationTest, earlier: Sequence[CertificationTest]) -> "_Schedule":
        tests = [test for test in earlier if test.labels.keys() & wanted.labels.keys()]
        questions: list[CertificationTest] = []
        for test in tests:
            if not any(one.answers(test) for one in questions):
                questions.append(test)
        number = next((place for place, one in enumerate(questions) if one.answers(wanted)), len(questions))
        return cls(tests, len((tests or [wanted])[0].labels), number + 1)

    def stage(self, test: CertificationTest) -> int:
        return stage_of(len(test.labels), self.first) if self.first else 1

    def planned(self, wanted: CertificationTest, stage: int) -> CertificationTest:
        """Plan the test of a stage: its sample, those clips first that served before, and its delta."""
        served = {clip for test in self.tests for clip in test.labels}
        order = sorted(wanted.labels, key=lambda clip: clip not in served)[: scheduled(self.first, stage)]
        sample = replace(wanted, labels={clip: wanted.labels[clip] for clip in order})
        account = AlphaAccount(self.tests, wanted.terms["delta"])
        return replace(sample, delta=account.share(sample, turn_of(self.question, stage)))


def standing(wanted: CertificationTest, earlier: Sequence[CertificationTest]) -> Standing:
    """Look up what was tested before, and whether a new test is due, without making it.

    Each question has one test a stage of the calibration set, that is at the size of the first test and whenever the
    set has doubled; its sample and its delta are fixed beforehand, whatever came out before and whether it is made
    or not. A set that is too small to certify anything is not tested.

    Args:
        wanted: without an outcome; its labels in the order in which they came.
        earlier: tests of the same capability, in order.
    """
    same = [test for test in earlier if test.answers(wanted)]
    certified = [test for test in same if test.certified]
    schedule = _Schedule.of(wanted, earlier)
    stage = schedule.stage(wanted)
    if any(schedule.stage(test) >= stage for test in schedule.tests if test in same):
        held = (certified or same)[-1]
        return Standing(held, labels_needed=_more(held, wanted, scheduled(schedule.first, stage + 1)))
    planned = schedule.planned(wanted, stage)
    lacking = _lacking(planned, wanted, schedule, stage)
    if lacking == 0:
        return Standing((certified or [planned])[-1], due=planned)
    blank = replace(wanted, delta=0.0, results=[CertificationResult.nothing(lacking)])
    return Standing(certified[-1]) if certified else Standing(blank, labels_needed=lacking)


def make_due_test(
    wanted: CertificationTest,
    earlier: Sequence[CertificationTest],
    run: Callable[[CertificationTest], list[CertificationResult]],
    *,
    may_test: bool = True,
) -> Standing:
    """Answer a question to the calibration set from what was tested before, or make the test that is due.

    Args:
        wanted: as in `standing`.
        earlier: likewise.
        run: makes the test that it is given, on its labels and at its delta.
        may_test: whether all that the test needs is there; else it stays due.
    """
    found = standing(wanted, earlier)
    if found.due is None:
        return found
    if not may_test:
        return found if found.holds.certified else replace(found, holds=replace(found.due, delta=0.0))
    made = replace(found.due, results=run(found.due))
    held = found.holds if found.holds.certified and not made.certified else made
    schedule = _Schedule.of(wanted, earlier)
    next_size = scheduled(schedule.first, schedule.stage(made) + 1)
    return Standing(held, made=[made], labels_needed=_more(held, wanted, next_size))


def _more(held: CertificationTest, wanted: CertificationTest, next_size: int) -> int | None:
    """Count the labels that are lacking for the test which may certify: no other comes before the next size."""
    if held.more_labels is None or held.certified:
        return held.more_labels
    return max(held.more_labels + len(held.labels), next_size) - len(wanted.labels)


def _lacking(planned: CertificationTest, wanted: CertificationTest, schedule: _Schedule, stage: int) -> int | None:
    """Count the labels that are lacking for a test that can certify anything at all; 0: none."""
    labels, now = len(planned.labels), planned
    while now.delta > 0:
        fewest = fewest_accepted(wanted.terms["alpha"], now.delta)
        if labels >= fewest:
            return max(labels - len(wanted.labels), 0)
        if not schedule.tests:
            return fewest - labels
        stage += 1
        labels, now = scheduled(schedule.first, stage), schedule.planned(wanted, stage)
    return None

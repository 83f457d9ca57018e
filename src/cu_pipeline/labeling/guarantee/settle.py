from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cu_pipeline.labeling.guarantee.results import Trial, Verdict, account
from cu_pipeline.labeling.guarantee.schedule import scheduled, stage_of, turn_of
from cu_pipeline.labeling.guarantee.statistics import fewest_accepted


@dataclass(frozen=True)
class Settled:
    """Where a question to the calibration set stands.

    Attributes:
        trial: that holds.
        due: the test that is to be made, without an outcome; None: none is.
        made: tests that were made now: none or one.
        labels_needed: calibration labels that are lacking; 0: something is certified; None: no number helps.
    """

    trial: Trial
    due: Trial | None = None
    made: list[Trial] = field(default_factory=list)
    labels_needed: int | None = 0


@dataclass(frozen=True)
class _Account:
    """The tests with which a question shares calibration clips.

    Attributes:
        trials: in order.
        first: calibration clips of the first of them, or of the one that would be the first.
        question: number of the question among those that were tested.
    """

    trials: Sequence[Trial]
    first: int
    question: int

    @classmethod
    def of(cls, wanted: Trial, earlier: Sequence[Trial]) -> "_Account":
        trials = [trial for trial in earlier if trial.labels.keys() & wanted.labels.keys()]
        questions: list[Trial] = []
        for trial in trials:
            if not any(one.answers(trial) for one in questions):
                questions.append(trial)
        number = next((place for place, one in enumerate(questions) if one.answers(wanted)), len(questions))
        return cls(trials, len((trials or [wanted])[0].labels), number + 1)

    def stage(self, trial: Trial) -> int:
        return stage_of(len(trial.labels), self.first) if self.first else 1

    def planned(self, wanted: Trial, stage: int) -> Trial:
        """Give the test of a stage: its sample, those clips first that served before, and its delta."""
        served = {clip for trial in self.trials for clip in trial.labels}
        order = sorted(wanted.labels, key=lambda clip: clip not in served)[: scheduled(self.first, stage)]
        sample = replace(wanted, labels={clip: wanted.labels[clip] for clip in order})
        share = account(self.trials, wanted.terms["delta"]).share
        return replace(sample, delta=share(sample.test, sample.labels, turn_of(self.question, stage)))


def standing(wanted: Trial, earlier: Sequence[Trial]) -> Settled:
    """Look up what was tested before, and whether a new test is due, without making it.

    Each question has one test a stage of the calibration set, that is at the size of the first test and whenever the
    set has doubled; its sample and its delta are fixed beforehand, whatever came out before and whether it is made
    or not. A set that is too small to certify anything is not tested.

    Args:
        wanted: without an outcome; its labels in the order in which they came.
        earlier: trials of the same capability, in order.
    """
    same = [trial for trial in earlier if trial.answers(wanted)]
    certified = [trial for trial in same if trial.certified]
    book = _Account.of(wanted, earlier)
    stage = book.stage(wanted)
    if any(book.stage(trial) >= stage for trial in book.trials if trial in same):
        held = (certified or same)[-1]
        return Settled(held, labels_needed=_more(held, wanted, scheduled(book.first, stage + 1)))
    planned = book.planned(wanted, stage)
    lacking = _lacking(planned, wanted, book, stage)
    if lacking == 0:
        return Settled((certified or [planned])[-1], due=planned)
    blank = replace(wanted, delta=0.0, verdicts=[Verdict("", {}, 0, 0, 1.0, lacking)])
    return Settled(certified[-1]) if certified else Settled(blank, labels_needed=lacking)


def settle(
    wanted: Trial, earlier: Sequence[Trial], run: Callable[[Trial], list[Verdict]], *, may_test: bool = True
) -> Settled:
    """Answer a question to the calibration set from what was tested before, or make the test that is due.

    Args:
        wanted: as in `standing`.
        earlier: likewise.
        run: makes the test of the trial that it is given, on its labels and at its delta.
        may_test: whether all that the test needs is there; else it stays due.
    """
    found = standing(wanted, earlier)
    if found.due is None:
        return found
    if not may_test:
        return found if found.trial.certified else replace(found, trial=replace(found.due, delta=0.0))
    made = replace(found.due, verdicts=run(found.due))
    held = found.trial if found.trial.certified and not made.certified else made
    book = _Account.of(wanted, earlier)
    return Settled(held, made=[made], labels_needed=_more(held, wanted, scheduled(book.first, book.stage(made) + 1)))


def _more(held: Trial, wanted: Trial, next_size: int) -> int | None:
    """Give the labels that are lacking for the test which may certify: no other comes before the next size."""
    if held.more_labels is None or held.certified:
        return held.more_labels
    return max(held.more_labels + len(held.labels), next_size) - len(wanted.labels)


def _lacking(planned: Trial, wanted: Trial, book: _Account, stage: int) -> int | None:
    """Give how many labels are lacking for a test that can certify anything at all; 0: none."""
    labels, now = len(planned.labels), planned
    while now.delta > 0:
        fewest = fewest_accepted(wanted.terms["alpha"], now.delta)
        if labels >= fewest:
            return max(labels - len(wanted.labels), 0)
        if not book.trials:
            return fewest - labels
        stage += 1
        labels, now = scheduled(book.first, stage), book.planned(wanted, stage)
    return None

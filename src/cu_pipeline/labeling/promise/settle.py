from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cu_pipeline.labeling.guarantee import fewest_accepted
from cu_pipeline.labeling.promise.trial import Trial, Verdict, account

GROWTH: Final = 1.25
"""How much larger the calibration set must be before machines that failed are tested again."""

DOUBLE: Final = 2.0
"""Likewise for machines that passed."""


def settle(wanted: Trial, earlier: Sequence[Trial], run: Callable[[Trial], list[Verdict]]) -> tuple[Trial, list[Trial]]:
    """Answer a question to the calibration set from what was tested before, or pay for a new test.

    What was certified stays certified for the same machines, and is tested again only when the set has doubled. What
    failed is tested again when the set has grown by a quarter or by the labels that were lacking. A set that is too
    small to certify anything is not tested, so nothing is spent.

    Args:
        wanted: without an outcome.
        earlier: trials of the same capability, in order.
        run: makes the test at the `delta` of the trial that it is given.

    Returns:
        The trial that holds, and those that were made now: none or one.
    """
    same = [trial for trial in earlier if trial.terms == wanted.terms and _agrees(trial, wanted)]
    certified = [trial for trial in same if trial.certified]
    if same and not _due(same[-1], len(wanted.labels), certified=bool(certified)):
        return (certified or same)[-1], []
    delta = account(earlier, wanted.terms["delta"]).share(wanted.test, wanted.labels)
    fewest = fewest_accepted(wanted.terms["alpha"], delta) if delta > 0 else None
    if fewest is None or len(wanted.labels) < fewest:
        lacking = None if fewest is None else fewest - len(wanted.labels)
        blank = replace(wanted, delta=0.0, verdicts=[Verdict("", {}, 0, 0, 1.0, lacking)])
        return (certified[-1] if certified else blank), []
    made = replace(wanted, delta=delta)
    made = replace(made, verdicts=run(made))
    return (certified[-1] if certified and not made.certified else made), [made]


def _agrees(trial: Trial, wanted: Trial) -> bool:
    """Whether people still say what they said when the trial was made."""
    return all(wanted.labels.get(clip, label) == label for clip, label in trial.labels.items())


def _due(last: Trial, labels: int, *, certified: bool) -> bool:
    if certified:
        return labels >= DOUBLE * len(last.labels)
    lacking = last.more_labels
    return labels >= GROWTH * len(last.labels) or (lacking is not None and labels >= len(last.labels) + lacking)

"""Which tests there may ever be, and what each costs: fixed before any outcome is known."""

from typing import Final

GROWTH: Final = 2
"""From each scheduled size of a calibration set to the next."""


def scheduled(first: int, stage: int) -> int:
    """Give how many calibration labels the tests of a stage use.

    Args:
        first: those of the first test.
        stage: from 1.

    >>> [scheduled(80, stage) for stage in (1, 2, 3)]
    [80, 160, 320]
    """
    return int(first * GROWTH ** (stage - 1))


def stage_of(labels: int, first: int) -> int:
    """Give the last stage for which there are labels enough; 1 where some were lost since the first test.

    >>> [stage_of(labels, 80) for labels in (70, 159, 160, 700)]
    [1, 1, 2, 4]
    """
    stage = 1
    while scheduled(first, stage + 1) <= labels:
        stage += 1
    return stage


def turn_of(question: int, stage: int) -> int:
    """Give the turn of the test of a question, numbered from 1, at a stage: k questions and stages share turn k.

    >>> [turn_of(question, stage) for question, stage in ((1, 1), (1, 2), (2, 1), (3, 1))]
    [1, 2, 2, 3]
    """
    return question + stage - 1

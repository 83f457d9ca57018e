from collections.abc import Sequence
from itertools import combinations

from cu_pipeline.core.capability import Kind, join_label
from cu_pipeline.sample.world import ANNOTATORS, SAFETY, stream

_OPINIONS = ((1, 0.15), (2, 0.25), (3, 0.35), (4, 0.25))
"""How many annotators look at a clip, and how often."""

SAFETY_LABELS = tuple(
    join_label(chosen, Kind.MULTI) for size in range(len(SAFETY) + 1) for chosen in combinations(SAFETY, size)
)
"""Every answer that a person can give for the multi-label capability."""


def chosen_annotators(available: int, *key: object) -> list[str]:
    """Give the 1 to 4 people, of the first `available`, who look at the clip of `key`."""
    rng = stream(*key, "annotators")
    sizes, weights = zip(*_OPINIONS, strict=True)
    size = min(int(rng.choice(sizes, p=weights)), available)
    names = list(ANNOTATORS)[:available]
    return sorted(names[int(place)] for place in rng.permutation(available)[:size])


def opinions(names: Sequence[str], truth: str, answers: Sequence[str], *key: object) -> dict[str, str]:
    """Give what each annotator answers: the truth, or at the annotator's error rate a uniform wrong answer.

    Args:
        names: keys of `ANNOTATORS`.
        truth: the right answer.
        answers: all answers, the right one among them.
        key: of the random numbers.
    """
    wrong = [answer for answer in answers if answer != truth]
    given = {}
    for name in names:
        rng = stream(*key, name)
        mistaken = rng.random() < ANNOTATORS[name]
        given[name] = wrong[int(rng.integers(len(wrong)))] if mistaken else truth
    return given

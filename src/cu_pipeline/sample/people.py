"""Who is in the sample world: creators, who post clips, and annotators, who say what is in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Final

import numpy as np

from cu_pipeline.core.capability import Kind, join_label
from cu_pipeline.sample.shot import Look
from cu_pipeline.sample.wording import pick
from cu_pipeline.sample.world import ANNOTATORS, SAFETY, dealt, stream

LANGUAGES: Final = ("en",) * 8 + ("es", "de")


@dataclass(frozen=True)
class Creator:
    """An account that posts clips."""

    handle: str
    lang: str
    look: Look


@lru_cache(maxsize=4096)
def creator(seed: int, place: int) -> Creator:
    """Invent the creator at `place` of a world."""
    rng = stream(seed, "creator", place)
    first = pick(rng, ("its", "real", "the", "just", "hey", "daily", "mr", "miss", "sunny", "lil"))
    last = pick(rng, ("kai", "marlo", "nova", "remy", "juno", "otis", "lena", "theo", "zuri", "milo"))
    look = Look(
        tint=(_near(rng, 1, 0.12), _near(rng, 1, 0.08), _near(rng, 1, 0.12)),
        contrast=_near(rng, 0.95, 0.2),
        saturation=_near(rng, 0.95, 0.4),
        noise=_near(rng, 3.5, 2.5),
        shake=_near(rng, 2.5, 2.5),
    )
    lang = dealt(LANGUAGES, place, seed, "lang")
    return Creator(f"{first}.{last}.{place:02d}", lang, look)


def _near(rng: np.random.Generator, centre: float, spread: float) -> float:
    return round(float(rng.uniform(centre - spread, centre + spread)), 3)


_OPINIONS = ((1, 0.15), (2, 0.25), (3, 0.35), (4, 0.25))
"""How many annotators look at a clip, and how often."""

SAFETY_LABELS = tuple(
    join_label(chosen, Kind.MULTI) for size in range(len(SAFETY) + 1) for chosen in combinations(SAFETY, size)
)
"""Every answer that a person can give for the multi-label capability."""


def chosen_annotators(available: int, *key: object) -> list[str]:
    """Choose the 1 to 4 people, of the first `available`, who look at the clip of `key`."""
    rng = stream(*key, "annotators")
    sizes, weights = zip(*_OPINIONS, strict=True)
    size = min(int(rng.choice(sizes, p=weights)), available)
    names = list(ANNOTATORS)[:available]
    return sorted(names[int(place)] for place in rng.permutation(available)[:size])


def opinions(names: Sequence[str], truth: str, answers: Sequence[str], *key: object) -> dict[str, str]:
    """Draw what each annotator answers: the truth, or at the annotator's error rate a uniform wrong answer.

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

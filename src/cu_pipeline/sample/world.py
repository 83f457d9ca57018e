"""What exists in the sample world: topics, safety classes, annotators, and where their truth shows."""

import hashlib
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np

T = TypeVar("T")

TOPICS: Final = ("cooking", "pets", "football", "gaming", "construction", "demolition")
"""The classes of the first capability."""

MOTION_PAIR: Final = ("construction", "demolition")
"""Two topics with the same pictures: one is the other played backwards."""

NEW_TOPIC: Final = "travel"
"""The topic that only a drifted feed has."""

SAFETY: Final = ("advert", "violence")
"""The classes of the second, multi-label capability."""

ANNOTATORS: Final[dict[str, float]] = {
    "ana": 0.04,
    "ben": 0.08,
    "chloe": 0.02,
    "deniz": 0.12,
    "emil": 0.25,
    "farah": 0.06,
    "goran": 0.10,
    "hana": 0.15,
}
"""How often each annotator is wrong. A mistake is uniform over the wrong answers."""


class Carrier(StrEnum):
    """Where a clip shows the truth."""

    PICTURE = "picture"
    MOTION = "motion"
    CAPTION = "caption"
    OVERLAY = "overlay"


_P, _C, _O = Carrier.PICTURE, Carrier.CAPTION, Carrier.OVERLAY

TOPIC_CARRIERS: Final = (*[(_P, _C)] * 9, *[(_P,)] * 3, *[(_P, _O)] * 3, *[(_C,)] * 3, (_C, _O), (_O,))
"""Carriers of the topic, one entry for each 20 clips of a topic; the pair has motion where others have picture."""

SAFETY_CARRIERS: Final = (*[(_P, _C)] * 4, *[(_P,)] * 2, *[(_C,)] * 2, (_P, _O), (_C, _O))
"""Carriers of a safety class that holds."""

SAFETY_DECK: Final = (*[()] * 11, *[("advert",)] * 5, *[("violence",)] * 3, ("advert", "violence"))
"""Safety classes that hold, one entry for each 20 clips."""

SKEWED_MIX: Final = (0.05, 0.45, 0.03, 0.35, 0.10, 0.02)
"""Shares of `TOPICS` among the clips that a changed mix moves."""


def stream(*key: object) -> np.random.Generator:
    """Start the random numbers that belong to `key`, independent of those of every other key."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, "<u4"))


def dealt(deck: tuple[T, ...], position: int, *key: object) -> T:
    """Deal the card at `position` of endlessly repeated decks, each shuffled by `key`.

    Every whole deck has exactly the deck's shares, and a position's card never depends on how many are drawn.
    """
    number, place = divmod(position, len(deck))
    return deck[_shuffled(len(deck), *key, number)[place]]


@lru_cache(maxsize=4096)
def _shuffled(size: int, *key: object) -> tuple[int, ...]:
    return tuple(stream(*key).permutation(size).tolist())

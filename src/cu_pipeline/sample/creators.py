from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from cu_pipeline.sample.captions import pick
from cu_pipeline.sample.shot import Look
from cu_pipeline.sample.world import dealt, stream

LANGUAGES: Final = ("en",) * 8 + ("es", "de")


@dataclass(frozen=True)
class Creator:
    """An account that posts clips."""

    handle: str
    lang: str
    look: Look


@lru_cache(maxsize=4096)
def creator(seed: int, place: int) -> Creator:
    """Give the creator at `place` of a world."""
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

"""What clips show. A scene is a function from random numbers to a painter: one file and one line here."""

from collections.abc import Callable
from typing import Final

import numpy as np

from cu_pipeline.sample.scenes.canvas import Painter
from cu_pipeline.sample.scenes.cooking import cooking
from cu_pipeline.sample.scenes.football import football
from cu_pipeline.sample.scenes.gaming import gaming
from cu_pipeline.sample.scenes.generic import generic
from cu_pipeline.sample.scenes.pets import pets
from cu_pipeline.sample.scenes.site import site
from cu_pipeline.sample.scenes.travel import travel

SCENES: Final[dict[str, Callable[[np.random.Generator], Painter]]] = {
    "cooking": cooking,
    "football": football,
    "gaming": gaming,
    "generic": generic,
    "pets": pets,
    "site": site,
    "travel": travel,
}

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, join_label
from cu_pipeline.core.hashing import unit_interval


def decide(
    probabilities: NDArray[np.float64], capability: Capability, clip_ids: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Choose each clip's label and say how likely it is right.

    Single label: the likeliest class; which of several equally likely ones is fixed by the clip's id, even-handedly.
    Multi-label: every class that is likelier than not; the probability is that of all these choices,
    taken as independent.

    Args:
        probabilities: (n, classes).
        capability: with its classes.
        clip_ids: n of them.

    Returns:
        n labels and their probabilities, (n,).
    """
    if capability.kind is Kind.SINGLE:
        return _likeliest(probabilities, capability.classes, clip_ids)
    holds = probabilities > 0.5
    names = np.array(capability.classes, dtype=object)
    labels = [join_label(list(names[row]), capability.kind) for row in holds]
    return labels, np.where(holds, probabilities, 1 - probabilities).prod(axis=1)


def _likeliest(
    probabilities: NDArray[np.float64], classes: Sequence[str], clip_ids: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    best = probabilities.max(axis=1)
    chosen = probabilities.argmax(axis=1)
    tied = np.isclose(probabilities, best[:, None], rtol=0, atol=1e-12)
    for row in np.flatnonzero(tied.sum(axis=1) > 1):
        among = np.flatnonzero(tied[row])
        chosen[row] = among[int(unit_interval(f"tie/{clip_ids[row]}") * len(among))]
    return [classes[place] for place in chosen], best


def as_json(probabilities: NDArray[np.float64], classes: Sequence[str]) -> str:
    """Write the probabilities of one clip, (classes,), for a table."""
    rounded = {name: round(float(value), 6) for name, value in zip(classes, probabilities, strict=True)}
    return json.dumps(rounded, ensure_ascii=False)

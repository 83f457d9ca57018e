import numpy as np
from numpy.typing import NDArray

_LEVELS = 40


def threshold_paths(pool: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Give the thresholds to try, each path from strict to lenient.

    At step k of 40 a source accepts the k/40 of the clips it answers that it is surest of. One path moves all
    sources together; of several sources, each also has a path on which it is the only one.

    Args:
        pool: (m, sources) confidences on clips that are to be routed; minus infinity where a source says nothing.

    Returns:
        Paths of (steps, sources) thresholds; infinite: the source is not asked.

    >>> threshold_paths(np.arange(200.0)[:, None])[0].ravel()[[0, -1]].tolist()
    [195.0, 0.0]
    """
    sources = pool.shape[1]
    together = np.column_stack([_levels(column[np.isfinite(column)]) for column in pool.T])
    if sources == 1:
        return [together]
    alone = [np.where(np.arange(sources) == source, together, np.inf) for source in range(sources)]
    return [together, *alone]


def _levels(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(confidence):
        return np.full(_LEVELS, np.inf)
    rows = np.ceil(len(confidence) * np.arange(1, _LEVELS + 1) / _LEVELS).astype(int) - 1
    return np.sort(confidence)[::-1][rows]

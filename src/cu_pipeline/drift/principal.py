"""The leading principal components of vectors."""

from typing import Final

import numpy as np
import numpy.typing as npt

_ROUNDS: Final = 4
_MORE: Final = 8


def leading_components(vectors: npt.NDArray[np.floating], most: int) -> npt.NDArray[np.float32]:
    """The clips' coordinates along the directions in which they differ most, each scaled to variance 1.

    Source: Halko, Martinsson & Tropp, Finding structure with randomness, SIAM Review 53, 2011: subspace iteration,
    from a start that is always the same.

    Args:
        vectors: shape (clips, dimensions).
        most: components, at most.

    Returns:
        Shape (clips, components), without directions in which clips do not differ; one column of 0 where none is left.
    """
    centred = (vectors - vectors.mean(axis=0)).astype(np.float32)
    width = min(most + _MORE, *centred.shape)
    basis = np.random.default_rng(0).standard_normal((centred.shape[1], width)).astype(np.float32)
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    left, sizes, _ = np.linalg.svd(centred @ basis, full_matrices=False)
    kept = int((sizes[:most] > 1e-3 * max(float(sizes[0]), 1e-12)).sum())
    if not kept or sizes[0] <= 1e-9:
        return np.zeros((len(vectors), 1), dtype=np.float32)
    return np.asarray(left[:, :kept] * np.sqrt(len(vectors)), dtype=np.float32)

import numpy as np
import numpy.typing as npt

from cu_pipeline.core.capability import Kind
from cu_pipeline.drift.permutation import Floats, Mask


class ClassMix:
    """How far two samples differ in the shares of their classes.

    The statistic is Pearson's chi-squared for a capability of kind `single`, and the sum over classes of the
    chi-squared of presence for `multi`. Its p-value comes from permutation, so rare classes do no harm. The
    effect is the share of clips that would have to change class (total variation distance) for `single`, and
    the largest change of a class's share for `multi`; both 0 to 1.

    Args:
        present: shape (clips, classes), true where a class was predicted for a clip.
        kind: of the capability.
    """

    def __init__(self, present: Mask, kind: Kind) -> None:
        self._present: npt.NDArray[np.float64] = present.astype(np.float64)
        self._kind = kind

    @property
    def constant(self) -> bool:
        """Whether all clips are alike."""
        return bool((self._present == self._present[0]).all())

    def __call__(self, current: Mask) -> Floats:
        """Give the statistic of each relabelling of shape (relabellings, clips)."""
        ours, theirs = self._shares(current)
        share = self._present.mean(axis=0)
        spread = share if self._kind is Kind.SINGLE else share * (1 - share)
        size = current.sum(axis=1) * (~current).sum(axis=1) / current.shape[1]
        terms = np.divide((ours - theirs) ** 2, spread, out=np.zeros_like(ours), where=spread > 0)
        return np.asarray(size * terms.sum(axis=1), dtype=np.float64)

    def effect(self, current: Mask) -> float:
        """Give the share of clips whose class changed."""
        ours, theirs = self._shares(current[None])
        change = np.abs(ours - theirs)[0]
        return float(change.sum() / 2 if self._kind is Kind.SINGLE else change.max())

    def _shares(self, current: Mask) -> tuple[Floats, Floats]:
        counts = current @ self._present
        ours = current.sum(axis=1, keepdims=True)
        theirs = current.shape[1] - ours
        return counts / ours, (self._present.sum(axis=0) - counts) / theirs

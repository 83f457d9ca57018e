"""What a gain is likely worth that is shown only because it passed a test: less than it looks."""

import math
from typing import Final

import numpy as np

_SEARCHED: Final = 40.0


def shrunk_gain(effect: float, standard_error: float, threshold: float) -> float:
    """Estimate a gain given that it was large enough to be told: the winner's curse is taken off.

    The estimate is the gain under which half of the results that pass would be smaller than this one (the
    median-unbiased estimate under selection: Zhong & Prentice, Biostatistics 2008; Fithian, Sun & Taylor 2014), but no
    less than 0 and no more than what was seen.

    Args:
        effect: the gain that was seen.
        standard_error: of it.
        threshold: standard errors over which a gain passes.

    Returns:
        `effect` where it did not pass, since nothing was selected.

    >>> shrunk_gain(0.05, 0.02, 1.85) < shrunk_gain(0.08, 0.02, 1.85) < 0.08
    True
    >>> shrunk_gain(0.01, 0.02, 1.85)
    0.01
    """
    if not (standard_error > 0 and math.isfinite(standard_error)) or effect < threshold * standard_error:
        return effect
    from scipy.optimize import brentq
    from scipy.special import log_ndtr

    seen = effect / standard_error

    def above_half(true: float) -> float:
        return float(log_ndtr(true - seen) - log_ndtr(true - threshold)) + math.log(2)

    if above_half(0.0) >= 0:
        return 0.0
    return float(np.clip(brentq(above_half, 0.0, seen + _SEARCHED) * standard_error, 0.0, effect))

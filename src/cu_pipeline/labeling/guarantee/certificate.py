from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Terms:
    """What is promised, and what sources cost.

    Attributes:
        alpha: largest share of wrong labels among those that no person looks at.
        delta: largest probability of breaking that promise.
        prices: (sources,) US dollars for one answer; sources are asked in this order.
        human_price: US dollars for a person's label, which counts as right.
    """

    alpha: float
    delta: float
    prices: tuple[float, ...]
    human_price: float


@dataclass(frozen=True)
class Certificate:
    """Which answers are accepted without a person, and why.

    Attributes:
        thresholds: (sources,) least confidence to accept a source's answer; infinite: the source is not asked.
        accepted: calibration clips that they accept.
        wrong: of these.
        p_value: of the test that certified the thresholds; 1 where nothing is certified.
        delta_each: probability of error that each path of thresholds was given; delta is their sum.
        cost_per_correct: US dollars, as expected from the calibration set, without the price of that set.
        more_labels: calibration labels that are lacking, if the sources go on as seen; 0: something is
            certified; None: at the error that was seen, no number of labels helps.
    """

    thresholds: tuple[float, ...]
    accepted: int
    wrong: int
    p_value: float
    delta_each: float
    cost_per_correct: float
    more_labels: int | None

    @property
    def certified(self) -> bool:
        """Whether any answer is accepted."""
        return bool(np.isfinite(self.thresholds).any())

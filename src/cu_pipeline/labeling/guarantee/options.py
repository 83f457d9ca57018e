from enum import StrEnum

from pydantic import Field

from cu_pipeline.core.options import Options


class Sample(StrEnum):
    """Which clips that people labelled are a random sample of all."""

    RANDOM_DRAWS = "random_draws"
    FEED = "feed"


class GuaranteeOptions(Options):
    """What is guaranteed of labels that no person looks at.

    Attributes:
        enabled: whether labels of sources other than people are certified at all.
        alpha: largest share of them that may be wrong.
        delta: largest probability of breaking that, for each capability, over all tests together.
        per_class: keep it among the labels of each answer, not only among all.
        calibration: what sources are tested on: `random_draws`: clips that were drawn at random, by the queue or as the
            feed's column `annotation_draw` says, and that people labelled; `feed`: besides, all others that came with
            people's labels, for a feed of which these are a random sample.
    """

    enabled: bool = True
    alpha: float = Field(default=0.05, gt=0, lt=1)
    delta: float = Field(default=0.05, gt=0, lt=1)
    per_class: bool = False
    calibration: Sample = Sample.RANDOM_DRAWS

from pydantic import Field

from cu_pipeline.core.options import Options


class EvaluateOptions(Options):
    """Parameters of the evaluate pipeline.

    Attributes:
        bootstrap_draws: resamples behind each interval.
        gate_alpha: chance that a challenger which is no better than the champion is promoted.
    """

    bootstrap_draws: int = Field(1000, ge=100)
    gate_alpha: float = Field(0.05, gt=0, lt=0.5)

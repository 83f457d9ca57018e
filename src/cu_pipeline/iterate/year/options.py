"""Parameters of the simulated year."""

from typing import Any, Final

from pydantic import Field

from cu_pipeline.core.options import Options, Share
from cu_pipeline.sample.world import NEW_TOPIC, TOPICS

CAPABILITY: Final = "topic"

_TEST_SHARE: Final = 0.375
"""Of the loop's labels: as many as an audit asks about."""

_AUDIT_ALPHA: Final = 0.1
"""Chance that a fall is passed over: a training costs little more than its audit here, and a year is short."""

_NOT_WORSE: Final = 0.05
"""Margin within which a challenger is promoted that learned what is new: so few test clips show no small gain."""

_LOOK_DAYS: Final = 1e-4
"""A window of the year passes in a minute or two: so long are a monitor's day and horizon here, about nine seconds."""


class YearOptions(Options):
    """The simulation.

    Attributes:
        first_clips: of the feed that the first models learn from.
        clips: that are posted in a window.
        creators: who post them, in all of the year.
        labels: clips that are labelled, at most, each time that models are fitted again, those of an audit before it
            included.
        gate_alpha: chance that the gate takes a challenger for better which is not. A year of small windows leaves a
            few dozen test clips to each decision; with few, little is shown at 5 %.
        error_rate: share of people's answers that are wrong.
        budget_usd: that the loop may spend in all of the year.
        seed: of the world and of every random choice.
    """

    first_clips: int = Field(default=400, ge=60)
    clips: int = Field(default=120, ge=30)
    creators: int = Field(default=600, ge=20)
    labels: int = Field(default=80, ge=20)
    error_rate: Share = 0.05
    gate_alpha: float = Field(default=0.2, gt=0, lt=1)
    budget_usd: float = Field(default=30.0, ge=0)
    seed: int = Field(default=17, ge=0)

    def parameters(self) -> dict[str, Any]:
        """What differs in the simulation's project."""
        return {
            "seed": self.seed,
            "capabilities": {CAPABILITY: {"classes": [*TOPICS, NEW_TOPIC]}},
            "collect": {
                "sample": {"clips": self.first_clips, "creators": self.creators, "seed": self.seed},
                "split": {"train": 0.7, "validation": 0.15, "test": 0.15},
            },
            "evaluate": {"gate_alpha": self.gate_alpha, "gate": {"non_inferiority_margin": _NOT_WORSE}},
            "label": {"llm": {"enabled": False}, "queue": {"budget_usd": 1e4}},
            "train": {"family": "linear"},
            "monitor": {
                "windows": {"clips": self.clips},
                "looks": {"horizon_days": _LOOK_DAYS, "every_days": _LOOK_DAYS},
            },
            "iterate": {
                "people": "simulated",
                "simulated": {"error_rate": self.error_rate},
                "choose": {"max_clips": self.labels, "latest": self.clips, "test_share": _TEST_SHARE},
                "audit": {"alpha": _AUDIT_ALPHA},
                "budget": {"iteration_usd": 1e3, "month_usd": self.budget_usd},
                "guards": {"cooldown_h": 0},
            },
        }

"""The twelve windows of the simulated year: how the feed changes, and what goes wrong upstream."""

from dataclasses import dataclass, field
from typing import Final

from cu_pipeline.sample.options import Drift


@dataclass(frozen=True)
class Window:
    """A month of the feed.

    Attributes:
        number: from 1.
        title: what happens, in a few words.
        drift: how the clips that are posted differ from the world that the first models learned.
        captions: whether captions arrive; where they do not, somebody upstream broke them.
        copies: how many uploads of the window are the same few clips, posted again by throw-away accounts.
        cause: what a monitor should say of the month, a value of `CauseKind`; "" where nothing is new. A change that
            stays is new once: from then on it is what the models have been told of, or should have been.
    """

    number: int
    title: str
    drift: Drift = field(default_factory=Drift)
    captions: bool = True
    copies: int = 0
    cause: str = ""


_STYLE: Final = 0.9
_TOPIC: Final = 0.25

YEAR: Final = (
    Window(1, "quiet"),
    Window(2, "quiet"),
    Window(3, "a new style begins", Drift(new_style=0.3, new_slang=0.2), cause="new_style"),
    Window(4, "the style spreads", Drift(new_style=0.6, new_slang=0.4), cause="new_style"),
    Window(5, "the style is everywhere", Drift(new_style=_STYLE, new_slang=0.6), cause="new_style"),
    Window(6, "quiet", Drift(new_style=_STYLE, new_slang=0.6)),
    Window(7, "a new topic", Drift(new_style=_STYLE, new_slang=0.6, new_topic=_TOPIC), cause="new_topic"),
    Window(8, "the topic stays", Drift(new_style=_STYLE, new_slang=0.6, new_topic=_TOPIC)),
    Window(
        9,
        "a burst of re-uploads",
        Drift(new_style=_STYLE, new_slang=0.6, new_topic=_TOPIC),
        copies=60,
        cause="reuploads",
    ),
    Window(
        10,
        "captions are lost upstream",
        Drift(new_style=_STYLE, new_slang=0.6, new_topic=_TOPIC),
        captions=False,
        cause="upstream_fault",
    ),
    Window(11, "the style of before returns", Drift(new_topic=_TOPIC), cause="new_style"),
    Window(12, "quiet", Drift(new_topic=_TOPIC)),
)
"""A year: quiet months, a gradual change of style, a new topic, spam, a fault, a season that returns."""

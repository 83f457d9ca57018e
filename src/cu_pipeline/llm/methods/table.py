from dataclasses import dataclass
from typing import Final, Literal

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError


@dataclass(frozen=True)
class Method:
    """A way to get a class out of a language model.

    Attributes:
        answer: `generate`: the model writes and its words are parsed; `choose`: it writes, held to the classes, or to
            their combinations if several may hold; `score`: the likelihood of each class's words is compared.
        calibration: of scores. `content_free`: by answers to captions that say nothing (Zhao et al. 2021);
            `batch`: by the mean answer to all captions at hand (Zhou et al. 2023).
        examples: shown in the prompt. `fixed`: the same for all captions; `nearest`: those whose captions are
            most alike.
    """

    answer: Literal["generate", "choose", "score"] = "score"
    calibration: Literal["none", "content_free", "batch"] = "none"
    examples: Literal["none", "fixed", "nearest"] = "none"


METHODS: Final[dict[str, Method]] = {
    "generate": Method("generate"),
    "choose": Method("choose"),
    "score": Method("score"),
    "score_content_free": Method("score", "content_free"),
    "score_batch": Method("score", "batch"),
    "few_shot_generate": Method("generate", examples="fixed"),
    "few_shot": Method("score", examples="fixed"),
    "few_shot_content_free": Method("score", "content_free", "fixed"),
    "few_shot_batch": Method("score", "batch", "fixed"),
    "nearest": Method("score", examples="nearest"),
    "nearest_batch": Method("score", "batch", "nearest"),
}

MOST_CHOICES: Final = 64
"""Combinations of classes that a model is given to choose from, at most."""


def method_named(name: str) -> Method:
    """Find a method.

    Raises:
        ConfigurationError: there is none of this name.
    """
    if name not in METHODS:
        raise ConfigurationError(f"method {name!r} is unknown. Allowed: {', '.join(METHODS)}")
    return METHODS[name]


def unfit(name: str, capability: Capability) -> str:
    """Say why a method cannot label a capability; nothing if it can.

    >>> unfit("choose", Capability(kind=Kind.MULTI, classes=("advert", "violence")))
    ''
    """
    combinations = 2 ** len(capability.classes) if capability.kind is Kind.MULTI else 0
    if method_named(name).answer != "choose" or combinations <= MOST_CHOICES:
        return ""
    allowed = ", ".join(one for one, method in METHODS.items() if method.answer != "choose")
    return (
        f"method {name!r} chooses from all combinations of classes: {combinations}, and {MOST_CHOICES} are the most. "
        f"Allowed: {allowed}"
    )

"""The methods that get a class out of a language model, and recipes: a prompt with a method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import field_validator

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options
from cu_pipeline.llm.prompts.inputs import PICTURES
from cu_pipeline.llm.prompts.prompt import Prompt
from cu_pipeline.llm.prompts.task import FORMS


@dataclass(frozen=True)
class AnswerMethod:
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


METHODS: Final[dict[str, AnswerMethod]] = {
    "generate": AnswerMethod("generate"),
    "choose": AnswerMethod("choose"),
    "score": AnswerMethod("score"),
    "score_content_free": AnswerMethod("score", "content_free"),
    "score_batch": AnswerMethod("score", "batch"),
    "few_shot_generate": AnswerMethod("generate", examples="fixed"),
    "few_shot": AnswerMethod("score", examples="fixed"),
    "few_shot_content_free": AnswerMethod("score", "content_free", "fixed"),
    "few_shot_batch": AnswerMethod("score", "batch", "fixed"),
    "nearest": AnswerMethod("score", examples="nearest"),
    "nearest_batch": AnswerMethod("score", "batch", "nearest"),
}

MOST_CHOICES: Final = 64
"""Combinations of classes that a model is given to choose from, at most."""


def method_named(name: str) -> AnswerMethod:
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


class Example(Options):
    """A labelled caption that is shown to a language model.

    Attributes:
        text: the caption, which went through `as_data`.
        label: as tables have it: a class of the capability, or several.
    """

    text: str
    label: str


class Recipe(Options):
    """All that decides how captions are labelled, but for the model itself.

    Attributes:
        prompt: name of the prompt's file, or of where it comes from.
        template: the prompt.
        method: a key of `METHODS`.
        form: how classes are put into words, a key of `task.FORMS`.
        examples: those of a method with fixed examples, in order.
        shots: number of examples of a method that has any.
        bias: natural logarithm of the mean probability of each class, by which batch calibration divides. Of a
            multi-label capability: of the odds of each class's mean probability against the contrast, and 0 for the
            contrast. Empty: taken from the captions at hand.
        pictures: frames of each clip that a method shows which lets the model write; 0: none.
    """

    prompt: str
    template: str
    method: str = "score_content_free"
    form: str = "plain"
    examples: tuple[Example, ...] = ()
    shots: int = 0
    bias: tuple[float, ...] = ()
    pictures: int = 0

    @field_validator("method")
    @classmethod
    def _known_method(cls, method: str) -> str:
        if method not in METHODS:
            raise ValueError(f"method {method!r} is unknown. Allowed: {', '.join(METHODS)}")
        return method

    @field_validator("form")
    @classmethod
    def _known_form(cls, form: str) -> str:
        if form not in FORMS:
            raise ValueError(f"form {form!r} is unknown. Allowed: {', '.join(FORMS)}")
        return form

    @property
    def version(self) -> str:
        """The first 12 hex digits of the SHA-256 of all its parts."""
        parts = self.model_dump(mode="json")
        return json_sha256({name: part for name, part in parts.items() if name != "pictures" or part})[:12]

    @property
    def how(self) -> AnswerMethod:
        """What the method's name stands for."""
        return METHODS[self.method]

    @property
    def required(self) -> frozenset[str]:
        """Names of what has to be known of a clip: texts that the template names, and pictures if any are shown."""
        return Prompt(self.template).required | ({PICTURES} if self.pictures else set())

    @property
    def name(self) -> str:
        """Name it for people.

        >>> Recipe(prompt="bare", template="", method="score", form="hashtag").name
        'bare × score (hashtag)'
        """
        return f"{self.prompt} × {self.method}" + (f" ({self.form})" if self.form != "plain" else "")


def misfit(recipe: Recipe, capability: Capability) -> str:
    """Say why a recipe cannot label a capability; nothing if it can."""
    answers = len(capability.classes) + (capability.kind is Kind.MULTI)
    if recipe.bias and len(recipe.bias) != answers:
        return (
            f"{recipe.name} was calibrated for {len(recipe.bias)} answers, and now there are {answers}. Run "
            "`kedro run --pipelines=prompts` again, or name a prompt: label.llm.prompt=bare"
        )
    return unfit(recipe.method, capability)


def prompt_named(prompts: Mapping[str, str], name: str) -> str:
    """Find the template of a prompt.

    Raises:
        ConfigurationError: there is no file of this name.
    """
    if name not in prompts:
        raise ConfigurationError(
            f"prompt {name!r} is unknown. Allowed: {', '.join(sorted(prompts))}. A file NAME.j2 in conf/base/prompts "
            "makes another"
        )
    return prompts[name]

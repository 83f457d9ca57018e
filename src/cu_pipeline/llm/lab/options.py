from pydantic import Field, field_validator

from cu_pipeline.core.options import Options
from cu_pipeline.llm.methods.recipe import METHODS


class SearchOptions(Options):
    """How a better prompt is looked for.

    Attributes:
        enabled: whether it is.
        candidates: combinations of instruction, words for the classes and examples that are tried at first.
        calls: budget: at most so many questions.
        prompt: the prompt that follows the instructions.
        instructions: what may stand before it; may name what a prompt may name.
    """

    enabled: bool = True
    candidates: int = Field(default=16, ge=2)
    calls: int = Field(default=320, ge=1)
    prompt: str = "bare"
    instructions: tuple[str, ...] = ("",)


class PromptsOptions(Options):
    """Parameters of the prompt lab.

    Attributes:
        capability: which one.
        prompts: files of `conf/base/prompts`; each is tried with each method.
        methods: keys of `prompting.methods.METHODS`; those that cannot label the capability are left out.
        clips: validation clips with a person's label on which all is measured, at most.
        min_clips: fewer are refused.
        pool: labelled training clips that examples are taken from, at most.
        shots: examples in a prompt.
        orders: of the examples that are tried; the result is their mean.
        draws: bootstrap resamples behind each interval.
        alpha: chance that anything that is no better than the present prompt is named champion.
        search: how a better prompt is looked for.
    """

    capability: str = "topic"
    prompts: tuple[str, ...] = Field(default=("bare", "instruction", "screen"), min_length=1)
    methods: tuple[str, ...] = Field(default=tuple(METHODS), min_length=1)
    clips: int = Field(default=80, ge=1)
    min_clips: int = Field(default=20, ge=2)
    pool: int = Field(default=200, ge=1)
    shots: int = Field(default=6, ge=1)
    orders: int = Field(default=3, ge=1)
    draws: int = Field(default=1000, ge=100)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    search: SearchOptions = SearchOptions()

    @field_validator("methods")
    @classmethod
    def _known(cls, methods: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in methods if name not in METHODS]:
            raise ValueError(f"methods {unknown} are unknown. Allowed: {', '.join(METHODS)}")
        return methods

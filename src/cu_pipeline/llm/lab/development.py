"""What a lab run is set to do, and the labelled clips that it works on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from cu_pipeline.core.capability import Capability, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.core.records import Split
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.recipes import task_of
from cu_pipeline.llm.methods.few_shot import Pool, training_pool
from cu_pipeline.llm.methods.recipe import METHODS
from cu_pipeline.llm.prompts.inputs import Extracted, clip_inputs
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task


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
        capability: which one; none: the first active one with enough labelled captions.
        prompts: files of `conf/base/prompts`; each is tried with each method.
        methods: keys of `methods.recipe.METHODS`; those that cannot label the capability are left out.
        clips: validation clips with a person's label on which all is measured, at most.
        min_clips: fewer are refused.
        pool: labelled training clips that examples are taken from, at most.
        shots: examples in a prompt.
        orders: of the examples that are tried; the result is their mean.
        draws: bootstrap resamples behind each interval.
        alpha: chance that anything that is no better than the present prompt is named champion.
        search: how a better prompt is looked for.
    """

    capability: str | None = None
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


@dataclass(frozen=True)
class Labelled:
    """What is known of clips, with the classes that people gave each.

    Attributes:
        clips: n.
        truth: bool (n, classes).
    """

    clips: tuple[ClipInputs, ...]
    truth: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.clips)


@dataclass(frozen=True)
class Development:
    """The labelled clips that prompts are developed on. No test clip is among them.

    Attributes:
        task: what is asked.
        measured: validation clips, on which results are measured.
        searched: training clips, on which a better prompt is looked for.
        pool: training clips that examples are taken from; none of `searched`.
        priors: (classes,) how common each class is.
        usual: the commonest label of training clips.
    """

    task: Task
    measured: Labelled
    searched: Labelled
    pool: Pool
    priors: NDArray[np.float64]
    usual: str


class Use(StrEnum):
    """What a labelled clip serves for."""

    MEASURED = "measured"
    SHOWN = "shown"
    SEARCHED = "searched"


@dataclass(frozen=True)
class LabelledClips:
    """The clips that a lab run is about.

    Attributes:
        name: of the capability.
        capability: with its classes.
        rows: rows of the table of clips, with `label`, what people say, and `use` besides.
        priors: (classes,) how common each class is.
    """

    name: str
    capability: Capability
    rows: pd.DataFrame
    priors: NDArray[np.float64]

    def used(self, *uses: Use) -> pd.DataFrame:
        """Take the rows of some uses."""
        return self.rows[self.rows["use"].isin(uses)]


def possible_capabilities(options: PromptsOptions, active: Mapping[str, Capability]) -> list[str]:
    """Name the capabilities that the lab may be about: the one that the parameters name, else all.

    Raises:
        ConfigurationError: the one that is named is not active, or none is.
    """
    if options.capability and options.capability in active:
        return [options.capability]
    if options.capability or not active:
        allowed = ", ".join(active) or "none in this feed"
        raise ConfigurationError(
            f"parameter 'prompts.capability' = {options.capability!r}: not an active capability. Allowed: {allowed}"
        )
    return list(active)


def first_measurable(captions: Mapping[str, pd.DataFrame], options: PromptsOptions) -> str:
    """Name the first capability of which people have labelled enough captions to compare prompts on.

    Args:
        captions: capability -> rows of the table of clips that have a caption, with `label`, what people say, besides.
        options: how many are enough.

    Raises:
        ConfigurationError: there is none.
    """
    measured = {name: int((rows["split"] == Split.VALIDATION).sum()) for name, rows in captions.items()}
    if found := next((name for name, clips in measured.items() if clips >= options.min_clips), None):
        return found
    listed = "; ".join(f"{name}: people have labelled {clips} validation clips" for name, clips in measured.items())
    raise ConfigurationError(
        f"{listed} that have a caption and do not serve to certify machine labels; at least {options.min_clips} are "
        "needed to compare prompts (parameter prompts.min_clips). Label more, or lower it and expect wide intervals"
    )


def choose_labelled(captions: pd.DataFrame, options: PromptsOptions) -> pd.DataFrame:
    """Choose the clips: what is measured from the validation split, all else from the training split.

    Args:
        captions: rows of the table of clips that have a caption, with `label`, what people say, besides.
        options: how many.

    Returns:
        Their rows, with `use` besides.
    """
    measured = captions[captions["split"] == Split.VALIDATION].head(options.clips)
    training = captions[captions["split"] == Split.TRAIN]
    shown = min(options.pool, len(training) // 2)
    return pd.concat(
        [
            measured.assign(use=Use.MEASURED.value),
            training.iloc[:shown].assign(use=Use.SHOWN.value),
            training.iloc[shown:].assign(use=Use.SEARCHED.value),
        ],
        ignore_index=True,
    )


def build_development(
    labelled: LabelledClips, required: Collection[str], extracted: Extracted, options: LlmOptions
) -> Development:
    """Put together what the lab works on.

    Args:
        labelled: the clips.
        required: what prompts require to be known of them.
        extracted: what extractors found.
        options: how the language model is asked about them.
    """
    task = task_of(labelled.name, labelled.capability, options)

    def known(use: Use) -> Labelled:
        rows = labelled.used(use)
        truth = [classes_of(label, labelled.capability) for label in rows["label"]]
        shape = len(rows), len(labelled.capability.classes)
        clips = clip_inputs(rows, required, extracted, options)
        return Labelled(tuple(clips), np.array(truth, dtype=bool).reshape(shape))

    training = labelled.used(Use.SHOWN, Use.SEARCHED)
    return Development(
        task,
        known(Use.MEASURED),
        known(Use.SEARCHED),
        training_pool(labelled.used(Use.SHOWN), task),
        labelled.priors,
        str((training if len(training) else labelled.rows)["label"].mode()[0]),
    )


def classes_of(label: str, capability: Capability) -> NDArray[np.bool_]:
    """Tell which classes a label names, bool (classes,)."""
    return np.isin(np.array(capability.classes, dtype=str), split_label(label, capability.kind))

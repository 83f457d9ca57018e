from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import Split
from cu_pipeline.labeling.examples import people_captions, training_pool
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.llm.lab.options import PromptsOptions
from cu_pipeline.llm.labels.recipes import task_of
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.plan import Task
from cu_pipeline.llm.prompts.prompt import ClipInputs


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


InputsOf = Callable[[pd.DataFrame], Sequence[ClipInputs]]
"""Gives what prompts may be told of clips, in their order."""


def choose_labelled(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: dict[str, Capability],
    options: PromptsOptions,
    label: LabelOptions,
) -> pd.DataFrame:
    """Choose the clips: what is measured from the validation split, all else from the training split.

    Returns:
        Their rows, with `label` and `use` besides.

    Raises:
        ConfigurationError: the capability cannot be used, or people have labelled too few clips.
    """
    name = options.capability
    labelled = people_captions(clips, annotations, name, _usable(name, capabilities), label.people)
    measured = labelled[labelled["split"] == Split.VALIDATION].head(options.clips)
    training = labelled[labelled["split"] == Split.TRAIN]
    if len(measured) < options.min_clips:
        raise ConfigurationError(
            f"{name}: people have labelled {len(measured)} validation clips that have a caption and do not serve to "
            f"certify machine labels; at least {options.min_clips} are needed to compare prompts (parameter "
            "prompts.min_clips). Label more clips, or lower it and expect wide intervals"
        )
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
    chosen: pd.DataFrame,
    priors: NDArray[np.float64],
    capability: Capability,
    inputs_of: InputsOf,
    options: PromptsOptions,
    label: LabelOptions,
) -> Development:
    """Put together what the lab works on.

    Args:
        chosen: as `choose_labelled` gives them.
        priors: (classes,) how common each class is.
        capability: with its classes.
        inputs_of: gives what prompts may be told of clips.
        options: which capability.
        label: how it is asked about.
    """
    task = task_of(options.capability, capability, label.llm)
    by_use = {use: chosen[chosen["use"] == use] for use in Use}
    training = chosen[chosen["use"] != Use.MEASURED]
    return Development(
        task,
        _labelled(by_use[Use.MEASURED], capability, inputs_of),
        _labelled(by_use[Use.SEARCHED], capability, inputs_of),
        training_pool(by_use[Use.SHOWN], task, options.pool),
        priors,
        str((training if len(training) else chosen)["label"].mode()[0]),
    )


def _usable(name: str, capabilities: dict[str, Capability]) -> Capability:
    if name not in capabilities:
        allowed = ", ".join(capabilities) or "none in this feed"
        raise ConfigurationError(
            f"parameter 'prompts.capability' = {name!r}: not an active capability. Allowed: {allowed}"
        )
    return capabilities[name]


def classes_of(label: str, capability: Capability) -> NDArray[np.bool_]:
    """Tell which classes a label names, bool (classes,)."""
    return np.isin(np.array(capability.classes, dtype=str), split_label(label, capability.kind))


def _labelled(rows: pd.DataFrame, capability: Capability, inputs_of: InputsOf) -> Labelled:
    truth = [classes_of(label, capability) for label in rows["label"]]
    return Labelled(tuple(inputs_of(rows)), np.array(truth, dtype=bool).reshape(len(rows), len(capability.classes)))

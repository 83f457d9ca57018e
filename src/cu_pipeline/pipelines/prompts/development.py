from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import Split
from cu_pipeline.labeling.examples import people_captions, training_pool
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.labeling.recipes import task_of
from cu_pipeline.pipelines.prompts.options import PromptsOptions
from cu_pipeline.prompting.few_shot import Pool
from cu_pipeline.prompting.plan import Caption, Task


@dataclass(frozen=True)
class Labelled:
    """Captions with the classes that people gave each.

    Attributes:
        captions: n.
        truth: bool (n, classes).
    """

    captions: tuple[Caption, ...]
    truth: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.captions)


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


def select_development(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: dict[str, Capability],
    options: PromptsOptions,
    label: LabelOptions,
) -> Development:
    """Choose the clips: what is measured from the validation split, all else from the training split.

    Raises:
        ConfigurationError: the capability cannot be used, or people have labelled too few clips.
    """
    name = options.capability
    capability = _usable(name, capabilities)
    task = task_of(name, capability, label.llm)
    labelled = people_captions(clips, annotations, name, capability, label.people)
    measured = labelled[labelled["split"] == Split.VALIDATION].head(options.clips)
    training = labelled[labelled["split"] == Split.TRAIN]
    if len(measured) < options.min_clips:
        raise ConfigurationError(
            f"{name}: people have labelled {len(measured)} validation clips that have a caption and do not serve to "
            f"certify machine labels; at least {options.min_clips} are needed to compare prompts (parameter "
            "prompts.min_clips). Label more clips, or lower it and expect wide intervals"
        )
    shown = min(options.pool, len(training) // 2)
    return Development(
        task,
        _labelled(measured, capability),
        _labelled(training.iloc[shown:], capability),
        training_pool(training, task, shown),
        class_priors(clips, annotations, name, capability),
        str((training if len(training) else labelled)["label"].mode()[0]),
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


def _labelled(rows: pd.DataFrame, capability: Capability) -> Labelled:
    captions = tuple(Caption(text, lang) for text, lang in zip(rows["text"], rows["lang"], strict=True))
    truth = [classes_of(label, capability) for label in rows["label"]]
    return Labelled(captions, np.array(truth, dtype=bool).reshape(len(captions), len(capability.classes)))

"""What a language model may know beforehand by people's labels: how common classes are, and examples."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.core.decision import decide, tied
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions


def class_priors(
    clips: pd.DataFrame, annotations: pd.DataFrame, name: str, capability: Capability
) -> NDArray[np.float64]:
    """Say how common each class is among people's labels on training clips, by Laplace's rule.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        name: of the capability.
        capability: with its classes.

    Returns:
        (classes,), which sum to 1 for a single-label capability.
    """
    training = clips.loc[clips["split"] == Split.TRAIN, "clip_id"]
    labels = annotations.loc[
        (annotations["capability"] == name)
        & (annotations["kind"] == AnnotatorKind.HUMAN)
        & (annotations["label"] != "")
        & annotations["clip_id"].isin(training),
        "label",
    ]
    times = labels.value_counts()
    counts = times.to_numpy(dtype=float) @ indicators(times.index, capability)
    answers = len(counts) if capability.kind is Kind.SINGLE else 2
    return (counts + 1) / (len(labels) + answers)


def people_captions(
    clips: pd.DataFrame, annotations: pd.DataFrame, name: str, capability: Capability, options: PeopleOptions
) -> pd.DataFrame:
    """Choose the clips that have a caption and a label by people, whose votes are not even.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        name: of the capability.
        capability: with its classes.
        options: how people's answers are weighed.

    Returns:
        Their rows, with `label` besides, in an order that is fixed by chance.
    """
    found = clips[clips["text"].str.strip() != ""].fillna({"lang": ""})
    mine = annotations[(annotations["kind"] == AnnotatorKind.HUMAN) & (annotations["capability"] == name)]
    said = people_say(mine, pd.Index(found["clip_id"]), capability, options)
    labels = decide(said.probabilities, capability).labels
    found = found.assign(label=labels)[(said.voters > 0) & ~tied(said.probabilities, capability.kind)]
    return found.sort_values("clip_id", key=lambda ids: ids.map(unit_interval), ignore_index=True)

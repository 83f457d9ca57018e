import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, split_label
from cu_pipeline.core.records import AnnotatorKind, Split


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
    named = pd.Series([one for label in labels for one in split_label(label, capability.kind)], dtype=object)
    counts = named.value_counts().reindex(list(capability.classes), fill_value=0).to_numpy(dtype=float)
    answers = len(counts) if capability.kind is Kind.SINGLE else 2
    return (counts + 1) / (len(labels) + answers)

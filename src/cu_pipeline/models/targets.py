import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, split_label

Targets = NDArray[np.float32]


def hard_targets(labels: "pd.Series[str]", capability: Capability) -> Targets:
    """Turn labels into indicators: float32 (n, classes) of 0 and 1."""
    place = {name: index for index, name in enumerate(capability.classes)}
    targets = np.zeros((len(labels), len(place)), dtype=np.float32)
    for row, label in enumerate(labels):
        for name in split_label(label, capability.kind):
            targets[row, place[name]] = 1
    return targets


def soft_targets(labels: pd.DataFrame, capability: Capability) -> Targets:
    """Turn labels into class probabilities, so that a doubtful label weighs less than a sure one.

    Args:
        labels: rows of the labels table, all of `capability`.
        capability: with its classes.

    Returns:
        float32 (n, classes); rows without probabilities are indicators.
    """
    targets = hard_targets(labels["label"], capability)
    for row, text in enumerate(labels["probabilities"]):
        if text:
            given = json.loads(text)
            targets[row] = [given.get(name, 0.0) for name in capability.classes]
    return targets

import json
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, indicators

Targets: TypeAlias = NDArray[np.float32]


def soft_targets(labels: pd.DataFrame, capability: Capability) -> Targets:
    """Turn labels into class probabilities, so that a doubtful label weighs less than a sure one.

    Args:
        labels: rows of the labels table, all of `capability`.
        capability: with its classes.

    Returns:
        float32 (n, classes); rows without probabilities are indicators.
    """
    targets = indicators(labels["label"], capability).astype(np.float32)
    for row, text in enumerate(labels["probabilities"]):
        if text:
            given = json.loads(text)
            targets[row] = [given.get(name, 0.0) for name in capability.classes]
    return targets

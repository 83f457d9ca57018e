import json
from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.records import PREDICTIONS, table
from cu_pipeline.features.clip_features import ClipFeatures
from cu_pipeline.inference.score import Scorer
from cu_pipeline.models.bundle import Bundle


def predict_table(clips: pd.DataFrame, features: ClipFeatures, bundles: Mapping[str, Bundle]) -> pd.DataFrame:
    """Predict every capability of every clip.

    Args:
        clips: n rows of the clips table.
        features: of the same clips, in the same order.
        bundles: by capability.

    Returns:
        The predictions table: n rows a capability.
    """
    parts = [_rows(clips, features, bundle) for bundle in bundles.values()]
    return table(pd.concat(parts, ignore_index=True) if parts else [], PREDICTIONS)


def _rows(clips: pd.DataFrame, features: ClipFeatures, bundle: Bundle) -> pd.DataFrame:
    scorer = Scorer(bundle)
    probabilities = scorer.probabilities(features)
    return pd.DataFrame(
        {
            "clip_id": clips["clip_id"].to_numpy(),
            "capability": bundle.capability,
            "split": clips["split"].to_numpy(),
            "label": scorer.labels(probabilities),
            "probability": probabilities.max(1),
            "probabilities": [
                json.dumps(dict(zip(bundle.classes, map(float, row), strict=True))) for row in probabilities
            ],
            "model_version": bundle.version,
        }
    )

import json
from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.records import PREDICTIONS, table
from cu_pipeline.features.clip_features import FeatureReader
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.scorer import Scorer


def predict_table(clips: pd.DataFrame, store: FeatureStore, bundles: Mapping[str, Bundle]) -> pd.DataFrame:
    """Predict every capability of every clip, each model from the stored features that it was trained on.

    Args:
        clips: n rows of the clips table.
        store: with their features.
        bundles: by capability.

    Returns:
        The predictions table: n rows a capability.

    Raises:
        StoreError: no feature that a model reads is stored.
    """
    reader = FeatureReader(clips, store)
    parts = [_rows(clips, reader, bundle) for bundle in bundles.values()]
    return table(pd.concat(parts, ignore_index=True) if parts else [], PREDICTIONS)


def _rows(clips: pd.DataFrame, reader: FeatureReader, bundle: Bundle) -> pd.DataFrame:
    scorer = Scorer(bundle)
    probabilities = scorer.probabilities(reader.read(bundle.inputs))
    return pd.DataFrame(
        {
            "clip_id": clips["clip_id"].to_numpy(),
            "capability": bundle.capability,
            "split": clips["split"].to_numpy(),
            "label": scorer.decide(probabilities).labels,
            "probability": probabilities.max(1),
            "probabilities": [
                json.dumps(dict(zip(bundle.classes, map(float, row), strict=True))) for row in probabilities
            ],
            "model_version": bundle.version,
        }
    )

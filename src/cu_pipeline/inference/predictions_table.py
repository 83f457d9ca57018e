"""The table of predictions: what models say of clips whose features are stored."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.decision import decide
from cu_pipeline.core.records import PREDICTIONS, table
from cu_pipeline.features.clip_features import FeatureReader, content_column, in_turn
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.models.bundle import Bundle, content_keys, inputs_of
from cu_pipeline.models.probabilities import Probabilities, logits_to_probabilities
from cu_pipeline.models.scorer import Scorer, named_sets


def predict_table(clips: pd.DataFrame, store: FeatureStore, bundles: Mapping[str, Bundle]) -> pd.DataFrame:
    """Predict every capability of the clips in its scope, each model from the stored features that it was trained on.

    Of many clips the features of some are held at a time.

    Args:
        clips: n rows of the clips table.
        store: with their features.
        bundles: by capability.

    Returns:
        The predictions table: a row for each capability and clip inside its scope.

    Raises:
        StoreError: no feature that a model reads is stored.
    """
    inputs = inputs_of(bundles.values())
    for one in inputs:
        store.require_any(one, clips[content_column(one.name)].tolist())
    scorers = [Scorer(bundle) for bundle in bundles.values()]
    parts: list[list[pd.DataFrame]] = [[] for _ in scorers]
    for some in in_turn(clips, inputs):
        reader = FeatureReader(some, store, least=0)
        for scorer, mine in zip(scorers, parts, strict=True):
            mine.append(_scoped_rows(some, reader, store, scorer))
    rows = [part for mine in parts for part in mine]
    return table(pd.concat(rows, ignore_index=True) if rows else [], PREDICTIONS)


def _scoped_rows(clips: pd.DataFrame, reader: FeatureReader, store: FeatureStore, scorer: Scorer) -> pd.DataFrame:
    inside = scorer.bundle.scope.within(clips)
    return _rows(inside, reader if inside is clips else FeatureReader(inside, store, least=0), scorer)


def cross_fitted_answers(predictions: pd.DataFrame, clips: pd.DataFrame, bundle: Bundle) -> pd.DataFrame:
    """What models that had not seen them said of the clips that a model learned from.

    Args:
        predictions: by the model, of the clips; there may be others.
        clips: rows of the clips table.
        bundle: the model.

    Returns:
        Rows of the predictions, with their index; none where the model's family does not tell.
    """
    own = predictions[predictions["capability"] == bundle.capability]
    logits = bundle.cross_fitted
    if logits is None:
        return own.iloc[:0]
    keys = own["clip_id"].map(dict(zip(clips["clip_id"], content_keys(clips), strict=True)))
    places = {bundle.learned_from[row]: row for row in np.flatnonzero(np.isfinite(logits).all(axis=1))}
    known = keys.isin(list(places))
    rows = logits[[places[key] for key in keys[known]]]
    probabilities = logits_to_probabilities(rows, bundle.kind, bundle.temperature)
    return own[known].assign(**_told(bundle, probabilities))


def _told(bundle: Bundle, probabilities: Probabilities) -> dict[str, Any]:
    """The columns of the predictions table that follow from probabilities (n, classes)."""
    return {
        "label": decide(probabilities, bundle.answers, bundle.thresholds).labels,
        "probability": probabilities.max(1),
        "probabilities": [json.dumps(dict(zip(bundle.classes, map(float, row), strict=True))) for row in probabilities],
        "prediction_set": [
            json.dumps(one, ensure_ascii=False) if one else "" for one in named_sets(bundle, probabilities)
        ],
    }


def _rows(clips: pd.DataFrame, reader: FeatureReader, scorer: Scorer) -> pd.DataFrame:
    bundle = scorer.bundle
    probabilities = scorer.probabilities(reader.read(bundle.inputs))
    return pd.DataFrame(
        {
            "clip_id": clips["clip_id"].to_numpy(),
            "capability": bundle.capability,
            "split": clips["split"].to_numpy(),
            **_told(bundle, probabilities),
            "model_version": bundle.version,
        }
    )

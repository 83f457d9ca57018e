"""How what a model learned from is described."""

import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import ABSTAIN
from cu_pipeline.core.decision import decide
from cu_pipeline.core.records import Split
from cu_pipeline.core.units import content_name, unit_name
from cu_pipeline.features.clip_features import content_column, embedding, part_name, read_features
from cu_pipeline.features.extractor import form_of
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.folds import whole_units
from cu_pipeline.models.probabilities import Probabilities, logits_to_probabilities
from cu_pipeline.models.reference import FACTS, JSON, Reference, written
from cu_pipeline.models.scorer import Scorer

MOST_CLIPS: Final = 4000
"""Clips that a reference describes; more of them make no test sharper than the traffic at hand allows."""

MOST_BYTES: Final = 32 * 2**20
"""Of the embeddings, so far as features beside those that the model reads are concerned."""


def describe(clips: pd.DataFrame, store: FeatureStore, bundle: Bundle, inputs: Mapping[str, FeatureInput]) -> Reference:
    """Describe clips that a model learned from.

    Where there are many, whole units are drawn by a hash of their names, so that the next model of the same feed is
    described by the same clips.

    Args:
        clips: labelled clips outside the test split, rows of the clips table with `label` and `source`.
        store: with their features.
        bundle: the model.
        inputs: the features in use; those that the model reads are kept, others as far as there is room.
    """
    chosen = clips.iloc[whole_units(clips["group"], MOST_CLIPS)].reset_index(drop=True)
    features = {
        part_name(one): read_features(chosen, store, {one.name: one})[one.name]
        for one in _affordable(chosen, store, bundle, inputs)
    }
    vectors, parts = embedding(features, len(chosen))
    table = _facts(chosen) | {"truth": chosen["label"], "truth_source": chosen["source"]}
    table |= _said(chosen, content_keys(chosen), bundle, store)
    return written(pd.DataFrame(table), vectors, parts)


def _affordable(
    clips: pd.DataFrame, store: FeatureStore, bundle: Bundle, inputs: Mapping[str, FeatureInput]
) -> list[FeatureInput]:
    """The vector features to keep: those that the model reads, and others that are stored and fit."""
    found: dict[str, FeatureInput] = {part_name(one): one for one in bundle.inputs.values()}
    left = MOST_BYTES - sum(_bytes(one, len(clips)) for one in found.values())
    for one in inputs.values():
        if (
            part_name(one) not in found
            and (needed := _bytes(one, len(clips))) <= left
            and _is_stored(clips, store, one)
        ):
            found[part_name(one)] = one
            left -= needed
    return [one for one in found.values() if form_of(one.shape) == "vectors" and _is_stored(clips, store, one)]


def _bytes(one: FeatureInput, count: int) -> int:
    return 2 * one.shape[-1] * count if form_of(one.shape) == "vectors" else 0


def _is_stored(clips: pd.DataFrame, store: FeatureStore, one: FeatureInput) -> bool:
    """Whether a feature is there for any of the clips that have the content."""
    contents = sorted(set(clips[content_column(one.name)]) - {""})
    return bool(contents) and len(store.missing(one, contents)) < len(contents)


def _facts(clips: pd.DataFrame) -> dict[str, Any]:
    contents = [content_name(*both) for both in zip(clips["media_sha256"], clips["text_sha256"], strict=True)]
    has_video, creators = (clips["media_sha256"] != "").to_numpy(), clips["creator"].fillna("")
    return {
        "clip_id": clips["clip_id"],
        "split": clips["split"],
        "creator": creators,
        "group": [unit_name(*both) for both in zip(creators, contents, strict=True)],
        "content": contents,
        "language": clips["lang"].fillna("").str.split("-").str[0],
        **{name: clips[name].astype("float64") for name in FACTS if name in clips},
        "bytes": clips["bytes"].where(has_video).astype("float64"),
        "text_length": clips["text"].str.len().astype("float64"),
        "has_caption": (clips["text_sha256"] != "").astype("float64"),
        "has_video": has_video.astype("float64"),
        "has_sound": np.where(has_video, clips["has_audio"].astype("float64"), np.nan),
    }


def _said(clips: pd.DataFrame, keys: "pd.Series[str]", bundle: Bundle, store: FeatureStore) -> dict[str, list[str]]:
    """What the model says of clips that it has not seen: cross-fitted where its family tells, else of validation."""
    rows, probabilities = _unseen(clips, keys, bundle, store)
    labels = decide(probabilities, bundle.answers, bundle.thresholds).labels if len(rows) else []
    empty = ["{}"] * len(clips)
    said = {name: list(empty) for name in JSON}
    for place, row, label in zip(rows, probabilities, labels, strict=True):
        numbers = dict(zip(bundle.classes, map(float, row), strict=True))
        said["labels"][place] = json.dumps({bundle.capability: str(label)})
        said["predictions"][place] = json.dumps({bundle.capability: numbers})
        said["abstained"][place] = json.dumps({bundle.capability: str(label) == ABSTAIN})
        said["versions"][place] = json.dumps({bundle.capability: bundle.version})
    return said


def _unseen(
    clips: pd.DataFrame, keys: "pd.Series[str]", bundle: Bundle, store: FeatureStore
) -> tuple[NDArray[np.int64], Probabilities]:
    """Places of clips, and what is said of each: (places, classes)."""
    if bundle.cross_fitted is None:
        rows = np.flatnonzero((clips["split"] == Split.VALIDATION.value).to_numpy())
        if not len(rows):
            return rows, np.empty((0, len(bundle.classes)))
        return rows, Scorer(bundle).probabilities(read_features(clips.iloc[rows], store, bundle.inputs))
    asked = np.flatnonzero(np.isfinite(bundle.cross_fitted).all(axis=1))
    places = {bundle.learned_from[row]: row for row in asked}
    rows = np.flatnonzero(keys.isin(list(places)).to_numpy())
    logits = bundle.cross_fitted[[places[key] for key in keys.iloc[rows]]]
    return rows, logits_to_probabilities(logits, bundle.kind, bundle.temperature)

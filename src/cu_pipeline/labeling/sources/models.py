"""The served models as annotators of clips that they have not learned from."""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, Split, table
from cu_pipeline.features.batch import CONTENT
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips
from cu_pipeline.labeling.sources.source import probabilities_json
from cu_pipeline.modeling.bundle import Bundle, content_keys

_log = logging.getLogger(__name__)

ANNOTATOR: Final = "champion"

Predict = Callable[[Bundle, pd.DataFrame, dict[str, Extractor]], "NDArray[np.float64]"]
"""Gives the class probabilities, (n, classes), of a model for n rows of the table of clips with stored features."""


def annotate_by_champions(
    clips: pd.DataFrame,
    folder: Path,
    store: FeatureStore,
    capabilities: Mapping[str, Capability],
    predict: Predict,
    price: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let each served model label the clips that are new to it and whose features are stored.

    A model is surer of clips that it has learned from than of others, so its confidence there would prove nothing.

    Args:
        clips: rows of the table of clips.
        folder: of the served bundles.
        store: of features.
        capabilities: the active ones.
        predict: the predict path.
        price: US dollars for one clip.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, and one with those of `eligibility.INELIGIBLE`: clips to
        which answers, or silence, prove nothing of other clips.
    """
    rows: list[dict[str, object]] = []
    ineligible = [all_eligible()]
    for path in sorted(folder.glob("*/bundle.json")):
        bundle = Bundle.load(path.parent)
        capability = capabilities.get(bundle.capability)
        if capability is None or capability.classes != bundle.classes or not bundle.learned_from:
            _log.warning("%s: the served model does not tell what it learned, or from which clips", bundle.capability)
            continue
        usable, reasons = _usable(clips, bundle, store)
        rows += _annotations(usable, bundle, predict, price)
        ineligible.append(ineligible_clips(bundle.capability, reasons, ANNOTATOR))
    return table(rows, ANNOTATIONS), pd.concat(ineligible, ignore_index=True)


def _usable(
    clips: pd.DataFrame, bundle: Bundle, store: FeatureStore
) -> tuple[pd.DataFrame, dict[Ineligible, "pd.Series[str]"]]:
    """Find what a model can label, and the ids of the clips about which it is not asked, by reason."""
    keys = content_keys(clips)
    learned = keys.isin(set(bundle.learned_from))
    new = clips[~learned]
    usable = new[_ready(new, bundle, store)]
    lacking = new.loc[~new.index.isin(usable.index), "clip_id"]
    learned |= _might_be_learned(clips, bundle)
    return usable, {Ineligible.LEARNED: clips.loc[learned, "clip_id"], Ineligible.FEATURES: lacking}


def _might_be_learned(clips: pd.DataFrame, bundle: Bundle) -> "pd.Series[bool]":
    """Say which clips a model would have learned from with a label: that they had none is no chance."""
    if bundle.unlabelled is None:
        return clips["split"] != Split.TEST.value
    return content_keys(clips).isin(set(bundle.unlabelled))


def _ready(new: pd.DataFrame, bundle: Bundle, store: FeatureStore) -> "pd.Series[bool]":
    ready = pd.Series(True, index=new.index)
    for extractor in _extractors(bundle).values():
        keys = new[CONTENT[extractor.source]]
        ready &= ~keys.isin(store.missing(extractor.identity, [key for key in keys if key]))
    if not ready.all():
        _log.info(
            "%s: %d clips have no stored features, so the champion does not label them: run featurize",
            bundle.capability,
            int((~ready).sum()),
        )
    return ready


def _annotations(clips: pd.DataFrame, bundle: Bundle, predict: Predict, price: float) -> Iterator[dict[str, object]]:
    if clips.empty:
        return
    probabilities = predict(bundle, clips, _extractors(bundle))
    capability = Capability(kind=bundle.kind, classes=bundle.classes)
    labels, certainty = decide(probabilities, capability, clips["clip_id"].tolist())
    for row, clip_id in enumerate(clips["clip_id"]):
        yield {
            "clip_id": clip_id,
            "capability": bundle.capability,
            "annotator": ANNOTATOR,
            "kind": AnnotatorKind.MODEL.value,
            "label": labels[row],
            "probability": round(float(certainty[row]), 6),
            "probabilities": probabilities_json(probabilities[row], bundle.classes),
            "price": price,
            "version": bundle.version,
            "draw": "",
        }


def _extractors(bundle: Bundle) -> dict[str, Extractor]:
    return {name: build(name, spec["parameters"]) for name, spec in bundle.extractors.items()}

"""The served models as annotators of clips that they have not learned from."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.features.batch import CONTENT, read_features
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build
from cu_pipeline.inference.score import Scorer
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.llm import as_json
from cu_pipeline.modeling.bundle import Bundle, content_keys

_log = logging.getLogger(__name__)

ANNOTATOR = "champion"


def annotate_by_champions(
    clips: pd.DataFrame, folder: Path, store: FeatureStore, capabilities: Mapping[str, Capability], price: float
) -> pd.DataFrame:
    """Let each served model label the clips that are new to it and whose features are stored.

    A model is surer of clips that it has learned from than of others, so its confidence there would prove nothing.

    Args:
        clips: rows of the table of clips.
        folder: of the served bundles.
        store: of features.
        capabilities: the active ones.
        price: US dollars for one clip.

    Returns:
        A table with the columns of `records.ANNOTATIONS`.
    """
    rows: list[dict[str, object]] = []
    for path in sorted(folder.glob("*/bundle.json")):
        bundle = Bundle.load(path.parent)
        capability = capabilities.get(bundle.capability)
        if capability is None or capability.classes != bundle.classes or not bundle.learned_from:
            _log.warning("%s: the served model does not tell what it learned, or from which clips", bundle.capability)
            continue
        rows += _opinions(_usable(clips, bundle, store), bundle, store, price)
    return table(rows, ANNOTATIONS)


def _usable(clips: pd.DataFrame, bundle: Bundle, store: FeatureStore) -> pd.DataFrame:
    new = clips[~content_keys(clips).isin(set(bundle.learned_from))]
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
    return new[ready]


def _opinions(clips: pd.DataFrame, bundle: Bundle, store: FeatureStore, price: float) -> Iterator[dict[str, object]]:
    if clips.empty:
        return
    probabilities = Scorer(bundle).probabilities(read_features(clips, store, _extractors(bundle)))
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
            "probabilities": as_json(probabilities[row], bundle.classes),
            "price": price,
            "version": bundle.version,
            "draw": "",
        }


def _extractors(bundle: Bundle) -> dict[str, Extractor]:
    return {name: build(name, spec["parameters"]) for name, spec in bundle.extractors.items()}

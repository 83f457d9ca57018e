"""The served models as annotators of clips that they have not learned from."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, Split, table
from cu_pipeline.features.batch import CONTENT, read_features
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build
from cu_pipeline.inference.score import Scorer
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.guarantee.eligibility import Omission, everything_offered, not_offered
from cu_pipeline.labeling.llm import as_json
from cu_pipeline.modeling.bundle import Bundle, content_keys

_log = logging.getLogger(__name__)

ANNOTATOR = "champion"


def annotate_by_champions(
    clips: pd.DataFrame, folder: Path, store: FeatureStore, capabilities: Mapping[str, Capability], price: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let each served model label the clips that are new to it and whose features are stored.

    A model is surer of clips that it has learned from than of others, so its confidence there would prove nothing.

    Args:
        clips: rows of the table of clips.
        folder: of the served bundles.
        store: of features.
        capabilities: the active ones.
        price: US dollars for one clip.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, and one with those of `offers.NOT_OFFERED`: clips to which
        answers, or silence, prove nothing of other clips.
    """
    rows: list[dict[str, object]] = []
    passed = [everything_offered()]
    for path in sorted(folder.glob("*/bundle.json")):
        bundle = Bundle.load(path.parent)
        capability = capabilities.get(bundle.capability)
        if capability is None or capability.classes != bundle.classes or not bundle.learned_from:
            _log.warning("%s: the served model does not tell what it learned, or from which clips", bundle.capability)
            continue
        offer = _offer(clips, bundle, store)
        rows += _opinions(offer.usable, bundle, store, price)
        passed.append(not_offered(bundle.capability, offer.passed))
    return table(rows, ANNOTATIONS), pd.concat(passed, ignore_index=True)


@dataclass(frozen=True)
class _Offer:
    """What a model can label, and the ids of the clips that it was not offered, by reason."""

    usable: pd.DataFrame
    passed: dict[Omission, "pd.Series[str]"]


def _offer(clips: pd.DataFrame, bundle: Bundle, store: FeatureStore) -> _Offer:
    keys = content_keys(clips)
    learned = keys.isin(set(bundle.learned_from))
    new = clips[~learned]
    usable = new[_ready(new, bundle, store)]
    lacking = new.loc[~new.index.isin(usable.index), "clip_id"]
    passed = {Omission.LEARNED: clips.loc[learned | _might_be_learned(clips, bundle), "clip_id"]}
    return _Offer(usable, passed | {Omission.FEATURES: lacking})


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

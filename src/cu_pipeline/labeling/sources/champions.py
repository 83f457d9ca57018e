"""The served models as annotators of clips that they have not learned from."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import as_json, decide
from cu_pipeline.core.lean import below, texts
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, Split, table
from cu_pipeline.core.rows import BATCH
from cu_pipeline.features.clip_features import has_features, read_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.scorer import Scorer

_log = logging.getLogger(__name__)

ANNOTATOR: Final = "champion"


def annotate_by_champions(
    clips_of: Callable[[str], pd.DataFrame],
    champions: Mapping[str, Bundle],
    store: FeatureStore,
    capabilities: Mapping[str, Capability],
    price: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let each served model label the clips that are new to it and whose features are stored.

    A model is surer of clips that it has learned from than of others, so its confidence there would prove nothing.

    Args:
        clips_of: finds the clips that a capability applies to.
        champions: the served bundles.
        store: of features.
        capabilities: the active ones.
        price: US dollars for one clip.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, and one with those of `eligibility.INELIGIBLE`: clips to
        which answers, or silence, prove nothing of other clips.
    """
    said = [table([], ANNOTATIONS)]
    ineligible = [all_eligible()]
    for bundle in champions.values():
        capability = capabilities.get(bundle.capability)
        if capability is None or capability.classes != bundle.classes or not bundle.learned_from:
            _log.warning("%s: the served model does not tell what it learned, or from which clips", bundle.capability)
            continue
        usable, reasons = _usable(clips_of(bundle.capability), bundle, store)
        said += _annotations(usable, bundle, store, price)
        ineligible.append(ineligible_clips(bundle.capability, reasons, ANNOTATOR))
    return below(said), below(ineligible)


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
    ready = pd.Series(has_features(new, store, bundle.inputs), index=new.index)
    if not ready.all():
        _log.info(
            "%s: %d clips have no stored features, so the champion does not label them: run featurize",
            bundle.capability,
            int((~ready).sum()),
        )
    return ready


def _annotations(clips: pd.DataFrame, bundle: Bundle, store: FeatureStore, price: float) -> Iterator[pd.DataFrame]:
    if clips.empty:
        return
    scorer = Scorer(bundle)
    # how sure a source must be is for the guarantee to say
    bars = bundle.thresholds if bundle.kind is Kind.MULTI else {}
    for start in range(0, len(clips), BATCH):
        some = clips.iloc[start : start + BATCH]
        probabilities = scorer.probabilities(read_features(some, store, bundle.inputs))
        decided = decide(probabilities, bundle.answers, bars, pd.Index(some["clip_id"]))
        told = {
            "clip_id": some["clip_id"].array,
            "capability": bundle.capability,
            "annotator": ANNOTATOR,
            "kind": AnnotatorKind.MODEL.value,
            "label": decided.labels,
            "probability": [round(float(one), 6) for one in decided.probability],
            "probabilities": texts((as_json(row, bundle.classes) for row in probabilities), some["clip_id"]),
            "price": price,
            "version": bundle.version,
            "draw": "",
        }
        yield table(pd.DataFrame(told), ANNOTATIONS)

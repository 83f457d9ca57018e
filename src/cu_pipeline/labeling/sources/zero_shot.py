"""An image-text model as an annotator: it tells classes by their names and descriptions, without any label."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.decision import as_json, decide
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.lean import below, texts
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.core.rows import BATCH
from cu_pipeline.features.clip_features import Feature, content_column, has_features, read_features
from cu_pipeline.features.image_text import NAME
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeatureOptions, build_all
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips
from cu_pipeline.models.probabilities import Probabilities, logits_to_probabilities
from cu_pipeline.models.zero_shot import ZeroShotOptions, class_directions, scores_of

_log = logging.getLogger(__name__)

ANNOTATOR: Final = "zero_shot"


@dataclass(frozen=True)
class ZeroShotAnnotator:
    """The model of one capability.

    Attributes:
        feature: of clips, that it reads; made by its own image tower.
        capability: that it answers.
        options: the sentences about classes.
    """

    feature: FeatureInput
    capability: Capability
    options: ZeroShotOptions

    @cached_property
    def sentences(self) -> list[list[str]]:
        """About each class: what belongs to it in words, or else its name."""
        words = self.capability.class_descriptions
        return [self.options.sentences(words.get(name) or name) for name in self.capability.classes]

    @property
    def version(self) -> str:
        """A hash of all that decides its answers, but for the clips."""
        named = [self.feature.fingerprint, self.capability.kind.value, list(self.capability.classes), self.sentences]
        neutral = [self.options.neutral] if self.capability.kind is Kind.MULTI else []
        return json_sha256(named + neutral)[:12]

    def probabilities(self, frames: Feature) -> Probabilities:
        """Of the classes, (clips, classes): as sure as the checkpoint is, which nobody has measured.

        Args:
            frames: of clips, at least one.

        Raises:
            BundleError: the checkpoint is not at hand.
            ConfigurationError: it reads no texts.
        """
        directions = class_directions(self.feature, self.sentences, self.capability.kind, self.options.neutral)
        scores = scores_of(frames, directions).astype(np.float32)
        return logits_to_probabilities(scores, self.capability.kind, 1.0)


def annotate_by_zero_shot(
    clips_of: Callable[[str], pd.DataFrame],
    store: FeatureStore,
    extractors: FeatureOptions,
    capabilities: Mapping[str, Capability],
    options: ZeroShotOptions,
    price: float,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let an image-text model label the clips whose frames its own image tower has encoded.

    Args:
        clips_of: finds the clips that a capability applies to.
        store: of features.
        extractors: those in use, `image_text` among them, whose checkpoint is asked.
        capabilities: the active ones.
        options: the sentences about classes.
        price: US dollars for one clip.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, and one with those of `eligibility.INELIGIBLE`: clips that it
        was not asked about for lack of their frames.

    Raises:
        ConfigurationError: `image_text` is not in use, or its checkpoint reads no texts.
        BundleError: the checkpoint is not at hand.
    """
    if NAME not in extractors.root:
        raise ConfigurationError(
            f"label.zero_shot is enabled, but the extractor {NAME} is not in use, whose checkpoint it asks. Name one, "
            f"a folder or a repository of the hub: featurize.extractors.{NAME}: {{checkpoint: {{name: models/siglip}}}}"
        )
    feature = FeatureInput.of(build_all(FeatureOptions({NAME: extractors.root[NAME]}))[NAME])
    said = [table([], ANNOTATIONS)]
    ineligible = [all_eligible()]
    for name, capability in capabilities.items():
        clips = clips_of(name)
        clips = clips[clips[content_column(NAME)] != ""]
        stored = has_features(clips, store, {NAME: feature})
        if not stored.all():
            _log.info("%s: of %d clips %s is not stored, so the zero-shot model does not label them: run featurize",
                      name, int((~stored).sum()), NAME)  # fmt: skip
        said += _annotations(name, clips[stored], ZeroShotAnnotator(feature, capability, options), store, price)
        lacking = clips.loc[~stored, "clip_id"]
        ineligible.append(ineligible_clips(name, {Ineligible.FRAMES: lacking}, ANNOTATOR))
    return below(said), below(ineligible)


def _annotations(
    name: str, clips: pd.DataFrame, annotator: ZeroShotAnnotator, store: FeatureStore, price: float
) -> Iterator[pd.DataFrame]:
    for start in range(0, len(clips), BATCH):
        some = clips.iloc[start : start + BATCH]
        frames = read_features(some, store, {NAME: annotator.feature})[NAME]
        seen = np.flatnonzero(frames.present)
        if not len(seen):
            continue
        some = some.iloc[seen]
        probabilities = annotator.probabilities(frames.take(seen))
        decided = decide(probabilities, annotator.capability, clip_ids=pd.Index(some["clip_id"]))
        told = {
            "clip_id": some["clip_id"].array,
            "capability": name,
            "annotator": ANNOTATOR,
            "kind": AnnotatorKind.ZERO_SHOT.value,
            "label": decided.labels,
            "probability": [round(float(one), 6) for one in decided.probability],
            "probabilities": texts(
                (as_json(row, annotator.capability.classes) for row in probabilities), some["clip_id"]
            ),
            "price": price,
            "version": annotator.version,
            "draw": "",
        }
        yield table(pd.DataFrame(told), ANNOTATIONS)

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.compute.worker_pool import WorkerPool
from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.decision import decide
from cu_pipeline.core.errors import BadClipError, BundleError
from cu_pipeline.core.records import PREDICTIONS, table
from cu_pipeline.core.scope import request_facts
from cu_pipeline.features.clip_features import ClipFeatures, Feature, FeatureReader, embedding, part_name
from cu_pipeline.features.extract import prepare_media
from cu_pipeline.features.extractor import Extractor, Vectors, empty_values
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.ingest.options import LanguageOptions
from cu_pipeline.media.options import Limits
from cu_pipeline.media.probe import probe
from cu_pipeline.models.bundle import Bundle, content_keys
from cu_pipeline.models.probabilities import Probabilities, logits_to_probabilities
from cu_pipeline.models.scorer import Scorer

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes")


@dataclass(frozen=True)
class Decoded:
    """What is read from one media file.

    Attributes:
        facts: duration_s, width, height, fps, bytes.
        prepared: part of the embedding -> what the extractor's model takes.
    """

    facts: dict[str, float]
    prepared: dict[str, Any]


@dataclass(frozen=True)
class Prediction:
    """What the models say of one clip.

    Attributes:
        probabilities: capability -> class -> probability, of those that apply to the clip.
        labels: capability -> label; several classes joined by "|"; likewise.
        versions: capability -> version of the bundle, of all.
        embedding: float32 (width), the mean of each vector feature that any model reads; zeros where there is none.
        parts: widths of the embedding's parts, by `part_name`, in order.
        facts: duration_s, width, height, fps, bytes, text_length; media facts only with media.
        not_applicable: capability -> why it does not apply to the clip.
    """

    probabilities: dict[str, dict[str, float]]
    labels: dict[str, str]
    versions: dict[str, str]
    embedding: Vectors
    parts: dict[str, int]
    facts: dict[str, float] = field(default_factory=dict)
    not_applicable: dict[str, str] = field(default_factory=dict)


class Predictor:
    """The one way from a clip to predictions: the service, checks and notebooks all use it.

    Each model gets the features that it was trained on: two may read the same extractor with other parameters. A clip
    is decoded once for all of them.

    Args:
        bundles: capability -> bundle.
        limits: of what media is accepted.
        workers: processes that decode media, so that what crashes or hangs a decoder costs that clip alone;
            `close` ends them. 0: media is decoded in this process, without limits on time and memory.

    Raises:
        BundleError: no bundle, or one was trained on features that this machine does not make.
    """

    def __init__(self, bundles: dict[str, Bundle], limits: Limits | None = None, workers: int = 0) -> None:
        if not bundles:
            raise BundleError("there is no model bundle to predict with. Run `make run` to train one.")
        self.bundles = bundles
        limits = limits or Limits()
        self._scorers = {name: Scorer(bundle) for name, bundle in bundles.items()}
        self._extractors = {
            part_name(one.identity): one for bundle in bundles.values() for one in bundle.extractors().values()
        }
        media = {name: one for name, one in self._extractors.items() if one.source == "media"}
        self._decode = partial(decode, extractors=media, limits=limits)
        self._pool: WorkerPool[str, Decoded] | None = None
        if workers:
            self._pool = WorkerPool(self._decode, size=workers, timeout_s=limits.timeout_s, memory_mb=limits.memory_mb)

    @classmethod
    def load(cls, folder: Path, limits: Limits | None = None, workers: int = 0) -> "Predictor":
        """Load every bundle in the subfolders of `folder`."""
        found = {bundle.capability: bundle for bundle in map(Bundle.load, _folders(folder))}
        return cls({name: found[name] for name in sorted(found)}, limits, workers)

    def predict(self, media: Path | None, text: str, told: Mapping[str, str] | None = None) -> Prediction:
        """Predict every capability that applies to one clip.

        Args:
            media: the video file, if there is one.
            text: the caption, cleaned here as the collect pipeline does; "" if there is none.
            told: what else is known that scopes may ask: `feed`, `lang`, and `metadata.KEY`. The language is found from
                the caption where it is not told.

        Raises:
            BadClipError: the media is refused.
        """
        text = clean_caption(text)
        facts: dict[str, float] = {"text_length": float(len(text))}
        decoded = None if media is None else self._decoded(media)
        if decoded is not None:
            facts |= decoded.facts
        features = self._features(None if decoded is None else decoded.prepared, text)
        vectors, parts = embedding(features, 1)
        apart = self._not_applicable(media is not None, text, told or {})
        answers = {
            name: scorer.probabilities(self._inputs(name, features))
            for name, scorer in self._scorers.items()
            if name not in apart
        }
        return Prediction(
            probabilities={
                name: dict(zip(self.bundles[name].classes, map(float, rows[0]), strict=True))
                for name, rows in answers.items()
            },
            labels={name: self._scorers[name].decide(rows).labels[0] for name, rows in answers.items()},
            versions={name: bundle.version for name, bundle in self.bundles.items()},
            embedding=vectors[0],
            parts=parts,
            facts=facts,
            not_applicable=apart,
        )

    def _not_applicable(self, has_video: bool, text: str, told: Mapping[str, str]) -> dict[str, str]:
        """Say which capabilities do not apply to a clip, and why."""
        scopes = {name: bundle.scope for name, bundle in self.bundles.items() if bundle.scope.is_limited}
        facts = request_facts(has_video=has_video, has_text=bool(text)) | dict(told)
        if "lang" not in facts and any(scope.languages for scope in scopes.values()):
            from cu_pipeline.ingest.language import identify

            facts["lang"] = identify([text], LanguageOptions().least_probability)[0] if text else ""
        refusals = {name: scope.refusal(facts) for name, scope in scopes.items()}
        return {name: reason for name, reason in refusals.items() if reason}

    def close(self) -> None:
        """End the decoding processes; media is refused from then on."""
        if self._pool is not None:
            self._pool.close()

    def _decoded(self, media: Path) -> Decoded:
        path = str(media.absolute())
        return self._decode(path) if self._pool is None else self._pool.run(path).get()

    def _features(self, media: Mapping[str, Any] | None, text: str) -> dict[str, Feature]:
        """What all extractors say of one clip, by part of the embedding."""
        prepared = dict(media or {})
        if text:
            texts = {name: one for name, one in self._extractors.items() if one.source == "text"}
            prepared |= {name: one.prepare(text) for name, one in texts.items()}
        return {name: _encoded(one, prepared.get(name)) for name, one in self._extractors.items()}

    def _inputs(self, capability: str, features: Mapping[str, Feature]) -> ClipFeatures:
        inputs = self.bundles[capability].inputs
        return ClipFeatures({name: features[part_name(key)] for name, key in inputs.items()}, 1)


def _folders(bundles: Path) -> list[Path]:
    return [config.parent for config in sorted(bundles.glob("*/bundle.json"))]


def decode(path: str, extractors: Mapping[str, Extractor], limits: Limits) -> Decoded:
    """Check a media file against the limits and read what predictions need of it, decoding it once.

    Args:
        path: a local file.
        extractors: part of the embedding -> an extractor that looks at media.
        limits: its time and memory are for the caller to enforce.

    Raises:
        BadClipError: the media is refused. What one extractor reads by itself and cannot use is absent instead.
    """
    found = probe(Path(path), limits)
    prepared = prepare_media(path, extractors)
    usable = {name: one for name, one in prepared.items() if not isinstance(one, BadClipError)}
    return Decoded({name: float(getattr(found, name)) for name in FACTS}, usable)


def _encoded(extractor: Extractor, prepared: Any | None) -> Feature:
    if prepared is None:
        return Feature.read(empty_values(extractor.identity.shape, 1))
    return Feature.read(extractor.encode([prepared]))


def predict_table(clips: pd.DataFrame, store: FeatureStore, bundles: Mapping[str, Bundle]) -> pd.DataFrame:
    """Predict every capability of the clips in its scope, each model from the stored features that it was trained on.

    Args:
        clips: n rows of the clips table.
        store: with their features.
        bundles: by capability.

    Returns:
        The predictions table: a row for each capability and clip inside its scope.

    Raises:
        StoreError: no feature that a model reads is stored.
    """
    reader = FeatureReader(clips, store)
    parts = [_scoped_rows(clips, reader, store, bundle) for bundle in bundles.values()]
    return table(pd.concat(parts, ignore_index=True) if parts else [], PREDICTIONS)


def _scoped_rows(clips: pd.DataFrame, reader: FeatureReader, store: FeatureStore, bundle: Bundle) -> pd.DataFrame:
    inside = bundle.scope.within(clips)
    return _rows(inside, reader if inside is clips else FeatureReader(inside, store), bundle)


def as_unseen(predictions: pd.DataFrame, clips: pd.DataFrame, bundles: Mapping[str, Bundle]) -> pd.DataFrame:
    """Replace what models say of clips that they learned from by what they said when they had not seen them.

    A model is surer of clips that it has seen, and so is no reference for its answers about others.

    Args:
        predictions: by the models of the clips.
        clips: rows of the clips table.
        bundles: the models, by capability; one without predictions of unseen clips keeps its answers.
    """
    replaced = predictions.copy()
    for bundle in bundles.values():
        told = cross_fitted_answers(predictions, clips, bundle)
        replaced.loc[told.index, told.columns] = told
    return replaced


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
    }


def _rows(clips: pd.DataFrame, reader: FeatureReader, bundle: Bundle) -> pd.DataFrame:
    probabilities = Scorer(bundle).probabilities(reader.read(bundle.inputs))
    return pd.DataFrame(
        {
            "clip_id": clips["clip_id"].to_numpy(),
            "capability": bundle.capability,
            "split": clips["split"].to_numpy(),
            **_told(bundle, probabilities),
            "model_version": bundle.version,
        }
    )

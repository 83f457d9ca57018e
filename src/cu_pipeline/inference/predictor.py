from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cu_pipeline.compute.worker_pool import WorkerPool
from cu_pipeline.core.captions import clean_caption
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.batch import ClipFeatures
from cu_pipeline.features.extractor import Extractor, Vectors
from cu_pipeline.features.table import build
from cu_pipeline.inference.decode import Decoded, decode
from cu_pipeline.inference.score import Scorer
from cu_pipeline.media.options import Limits
from cu_pipeline.modeling.bundle import Bundle


@dataclass(frozen=True)
class Prediction:
    """What the models say of one clip.

    Attributes:
        probabilities: capability -> class -> probability.
        labels: capability -> label; several classes joined by "|".
        versions: capability -> version of the bundle.
        embedding: float32 (1664), mean frame feature and caption feature; zeros where there is none.
        facts: duration_s, width, height, fps, bytes, text_length; media facts only with media.
    """

    probabilities: dict[str, dict[str, float]]
    labels: dict[str, str]
    versions: dict[str, str]
    embedding: Vectors
    facts: dict[str, float] = field(default_factory=dict)


class Predictor:
    """The one way from a clip to predictions: the service, checks and notebooks all use it.

    Args:
        bundles: capability -> bundle; all must read the same features.
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
        self._extractors = _extractors(bundles)
        self._scorers = {name: Scorer(bundle) for name, bundle in bundles.items()}
        self._decode = partial(decode, prepare=self._extractors["frames"].prepare, limits=limits)
        self._pool: WorkerPool[str, Decoded] | None = None
        if workers:
            self._pool = WorkerPool(self._decode, size=workers, timeout_s=limits.timeout_s, memory_mb=limits.memory_mb)

    @classmethod
    def load(cls, folder: Path, limits: Limits | None = None, workers: int = 0) -> "Predictor":
        """Load every bundle in the subfolders of `folder`."""
        configs = sorted(folder.glob("*/bundle.json"))
        return cls({config.parent.name: Bundle.load(config.parent) for config in configs}, limits, workers)

    def predict(self, media: Path | None, text: str) -> Prediction:
        """Predict every capability of one clip.

        Args:
            media: the video file, if there is one.
            text: the caption, cleaned here as the collect pipeline does; "" if there is none.

        Raises:
            BadClipError: the media is refused.
        """
        text = clean_caption(text)
        facts: dict[str, float] = {"text_length": float(len(text))}
        decoded = None if media is None else self._decoded(media)
        if decoded is not None:
            facts |= decoded.facts
        features = self._features(None if decoded is None else decoded.prepared, text)
        answers = {name: scorer.probabilities(features) for name, scorer in self._scorers.items()}
        return Prediction(
            probabilities={
                name: dict(zip(self.bundles[name].classes, map(float, rows[0]), strict=True))
                for name, rows in answers.items()
            },
            labels={name: self._scorers[name].labels(rows)[0] for name, rows in answers.items()},
            versions={name: bundle.version for name, bundle in self.bundles.items()},
            embedding=features.embedding()[0],
            facts=facts,
        )

    def close(self) -> None:
        """End the decoding processes; media is refused from then on."""
        if self._pool is not None:
            self._pool.close()

    def _decoded(self, media: Path) -> Decoded:
        path = str(media.absolute())
        return self._decode(path) if self._pool is None else self._pool.run(path).get()

    def _features(self, prepared: Any | None, text: str) -> ClipFeatures:
        captions = self._extractors["captions"]
        frames = _encode(self._extractors["frames"], prepared)
        caption = _encode(captions, captions.prepare(text) if text else None)
        return ClipFeatures(frames, np.array([prepared is not None]), caption, np.array([bool(text)]))


def _encode(extractor: Extractor, prepared: Any | None) -> Vectors:
    if prepared is None:
        return np.zeros((1, *extractor.identity.shape), dtype=np.float32)
    return extractor.encode([prepared])


def _extractors(bundles: dict[str, Bundle]) -> dict[str, Extractor]:
    """Make the extractors that the bundles were trained on, and check that they give the same features."""
    extractors: dict[str, Extractor] = {}
    for bundle in bundles.values():
        for name, trained in bundle.extractors.items():
            extractor = extractors.setdefault(name, build(name, trained["parameters"]))
            if extractor.identity.fingerprint != trained["fingerprint"]:
                raise BundleError(
                    f"bundle {bundle.capability!r} reads {name!r} features {trained['fingerprint']}, but this "
                    f"installation makes {extractor.identity.fingerprint}: the weights, parameters or decoder "
                    "differ. Install the versions of constraints.txt, or train the model again."
                )
    return extractors

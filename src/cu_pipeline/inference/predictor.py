from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cu_pipeline.core.captions import clean_caption
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.batch import ClipFeatures
from cu_pipeline.features.extractor import Extractor, Vectors
from cu_pipeline.features.table import build
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

    Raises:
        BundleError: no bundle, or one was trained on features that this machine does not make.
    """

    def __init__(self, bundles: dict[str, Bundle], limits: Limits | None = None) -> None:
        if not bundles:
            raise BundleError("there is no model bundle to predict with. Run `make run` to train one.")
        self.bundles = bundles
        self._limits = limits or Limits()
        self._extractors = _extractors(bundles)
        self._scorers = {name: Scorer(bundle) for name, bundle in bundles.items()}

    @classmethod
    def load(cls, folder: Path, limits: Limits | None = None) -> "Predictor":
        """Load every bundle in the subfolders of `folder`."""
        configs = sorted(folder.glob("*/bundle.json"))
        return cls({config.parent.name: Bundle.load(config.parent) for config in configs}, limits)

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
        if media is not None:
            from cu_pipeline.media.probe import probe

            found = probe(media, self._limits)
            facts |= {name: float(getattr(found, name)) for name in ("duration_s", "width", "height", "fps", "bytes")}
        features = self._features(media, text)
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

    def _features(self, media: Path | None, text: str) -> ClipFeatures:
        frames = _encode(self._extractors["frames"], None if media is None else str(media))
        caption = _encode(self._extractors["captions"], text or None)
        return ClipFeatures(frames, np.array([media is not None]), caption, np.array([bool(text)]))


def _encode(extractor: Extractor, content: str | None) -> Vectors:
    if content is None:
        return np.zeros((1, *extractor.identity.shape), dtype=np.float32)
    return extractor.encode([extractor.prepare(content)])


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

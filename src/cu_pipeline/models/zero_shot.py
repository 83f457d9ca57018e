"""Classes told by their names alone: clips beside sentences in the space of an image-text model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.options import Options
from cu_pipeline.features.clip_features import ClipFeatures, Feature
from cu_pipeline.features.extractor import Vectors
from cu_pipeline.features.image_text import NAME, ImageText
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.expert_pool import cross_fitted_logits, fit_pool
from cu_pipeline.models.family import Examples, Fitted, Logits, Weights
from cu_pipeline.models.folds import grouped_folds
from cu_pipeline.models.logistic import hard_labels

_FOLDS: Final = 5


class ZeroShotOptions(Options):
    """Parameters of the zero-shot family.

    Attributes:
        templates: sentences about a clip in which `{}` stands for a class: its description where the capability has
            one, else its name. A class is the mean of its sentences.
        neutral: what is true of every clip. Where any number of classes may hold, each is compared with it.
    """

    templates: tuple[str, ...] = Field(("a video of {}.", "a photo of {}."), min_length=1)
    neutral: str = Field("a video.", min_length=1)

    @field_validator("templates")
    @classmethod
    def _one_place(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            rule = "write {} once, where the class belongs, such as in 'a video of {}.'"
            try:
                places = [field for _, field, form, turn in Formatter().parse(template) if field is not None]
                plain = all(not form and not turn for _, _, form, turn in Formatter().parse(template))
            except ValueError as error:
                raise ValueError(f"template {template!r} cannot be read ({error}): {rule}") from error
            if places != [""] or not plain:
                shown = ", ".join(f"{{{place}}}" for place in places) or "no place for the class"
                raise ValueError(f"template {template!r} has {shown}: {rule}")
        return templates

    def sentences(self, phrase: str) -> list[str]:
        """What is said of a clip that shows `phrase`."""
        return [template.format(phrase) for template in self.templates]


@dataclass(frozen=True)
class ZeroShotModel:
    """Where classes lie, and how sure and how common they are.

    Attributes:
        directions: float32 (classes, width); a clip's scores are its products with them.
        scale: that scores are multiplied by.
        bias: float32 (classes).
    """

    directions: Vectors
    scale: float
    bias: NDArray[np.float32]

    def logits(self, features: ClipFeatures) -> Logits:
        """Score clips: float32 (n, classes)."""
        found: Logits = (scores_of(features[NAME], self.directions) * self.scale + self.bias).astype(np.float32)
        return found


class ZeroShot:
    """The cosine of a clip's mean frame and the sentences about each class, as a CLIP or SigLIP was trained to tell.

    Nothing is learned from labels but one scale and a bias for each class, so that probabilities mean what they say.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (ICML 2021).
    """

    options: ClassVar[type[Options]] = ZeroShotOptions
    revision: ClassVar[int | str] = 1
    reads_descriptions: ClassVar[bool] = True

    def reads(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """The frames by the image tower."""
        return [NAME] if NAME in shapes else []

    def fit(self, train: Examples, validation: Examples, kind: Kind, options: ZeroShotOptions, seed: int) -> Fitted:
        """Encode the classes, and set scale and biases on all clips, none of which the model has learned from.

        Raises:
            BundleError: the checkpoint of the features is not at hand.
            ConfigurationError: it reads no texts.
        """
        examples = train.joined(validation)
        phrases = {name: examples.descriptions.get(name) or name for name in examples.classes}
        sentences = [options.sentences(phrase) for phrase in phrases.values()]
        directions = class_directions(examples.inputs[NAME], sentences, kind, options.neutral)
        scores = scores_of(examples.features[NAME], directions)[None]
        answers = hard_labels(examples.targets, kind)
        pool = fit_pool(scores, answers, kind)
        folds = grouped_folds(examples.units, answers.truth, _FOLDS, seed)
        unseen = cross_fitted_logits(scores, answers, kind, folds).astype(np.float32) if folds else None
        weights = {
            "directions": directions,
            "scale": pool.weights.astype(np.float32),
            "bias": pool.bias.astype(np.float32),
        }
        return Fitted({"sentences": dict(zip(phrases, sentences, strict=True))}, weights, [], unseen)

    def load(self, config: dict[str, Any], weights: Weights) -> ZeroShotModel:
        """Take directions, scale and biases; no text tower is needed."""
        del config
        try:
            return ZeroShotModel(weights["directions"], float(weights["scale"][0]), weights["bias"])
        except KeyError as error:
            raise BundleError(
                f"weights {sorted(weights)} are not those of a zero-shot model: {error} is absent"
            ) from error


def scores_of(frames: Feature, directions: Vectors) -> NDArray[np.float64]:
    """Products of clips' mean frames, of length 1, with the classes' directions: (n, classes); 0 without frames."""
    means = frames.vector().astype(np.float64)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    found: NDArray[np.float64] = means / np.maximum(lengths, 1e-12) @ directions.T.astype(np.float64)
    return found * frames.present[:, None]


def class_directions(feature: FeatureInput, sentences: Sequence[Sequence[str]], kind: Kind, neutral: str) -> Vectors:
    """Where classes lie among clips: float32 (classes, width), as long as the checkpoint is sharp.

    Args:
        feature: which image-text feature of clips they are held against.
        sentences: about each class, as many about each.
        kind: where any number of classes may hold, each lies in the direction from what is true of every clip.
        neutral: the sentence that is.

    Raises:
        BundleError: the checkpoint of the feature is not at hand.
    """
    flat = [one for about in sentences for one in about]
    vectors, sharpness = _encoded(feature.fingerprint, json.dumps(feature.parameters), (*flat, neutral))
    means = vectors[:-1].reshape(len(sentences), -1, vectors.shape[1]).mean(axis=1)
    directions = means / np.linalg.norm(means, axis=1, keepdims=True)
    if kind is Kind.MULTI:
        directions = directions - vectors[-1]
    return np.asarray(directions * sharpness, dtype=np.float32)


@lru_cache(maxsize=16)
def _encoded(fingerprint: str, parameters: str, texts: tuple[str, ...]) -> tuple[Vectors, float]:
    """Texts by the text tower that belongs to a feature, and how sharp it is; once in this process."""
    extractor = FeatureInput(NAME, fingerprint, (), json.loads(parameters)).extractor()
    if not isinstance(extractor, ImageText):
        raise BundleError(f"the extractor {NAME!r} reads no texts")
    return extractor.text_vectors(texts), extractor.sharpness

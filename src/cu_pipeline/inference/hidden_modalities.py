"""Asking a model about clips of which it is not shown one modality."""

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.decision import decide
from cu_pipeline.evaluation.judged import ModelAnswers, of_classes
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.features.clip_features import ClipFeatures, read_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.explanation import hide, modalities_of
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.scorer import Scorer


def answers_without(bundle: Bundle, answers: ModelAnswers, store: FeatureStore) -> dict[str, ScoredClips]:
    """Ask a model about the labelled test clips, once for each modality as if no clip had it.

    Where it gives no answer its likeliest class counts.

    Args:
        bundle: the model.
        answers: the clips that people labelled, with the model's answers.
        store: features of the clips.

    Returns:
        Modality -> answers; nothing of a model that looks at one modality alone, which would know nothing without it.
    """
    parts, test = modalities_of(bundle.inputs), answers.splits["test"]
    if not len(test) or len(parts) < 2:
        return {}
    features = read_features(test.clips, store, bundle.inputs)
    scorer = Scorer(bundle)
    return {
        modality: _answers(scorer, hide(features, names), test.answers.truth, answers.classes).always_answered()
        for modality, names in parts.items()
        if any(features[name].present.any() for name in names)
    }


def _answers(scorer: Scorer, features: ClipFeatures, truth: NDArray[np.bool_], classes: tuple[str, ...]) -> ScoredClips:
    bundle = scorer.bundle
    probabilities = scorer.probabilities(features)
    holds = decide(probabilities, bundle.answers, bundle.thresholds).holds
    told, named = (of_classes(values, bundle.classes, classes) for values in (probabilities, holds))
    return ScoredClips(bundle.kind, truth, told, named)

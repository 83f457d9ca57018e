"""Hold what a model predicted against what people said: of each split, and of clips as if it had not seen them."""

import pandas as pd

from cu_pipeline.core.records import Split
from cu_pipeline.evaluation.judged import Answered, Judged, ModelAnswers
from cu_pipeline.evaluation.metrics import ScoredClips
from cu_pipeline.inference.predictions_table import cross_fitted_answers
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.probabilities import uncalibrated


def answers_of(bundle: Bundle, judged: Judged, predictions: pd.DataFrame) -> ModelAnswers:
    """Gather all that a model is measured by.

    Args:
        bundle: the model.
        judged: the clips that people labelled, of the model's classes and perhaps others.
        predictions: of these clips, by the model; there may be others.
    """
    own = predictions[predictions["capability"] == bundle.capability]
    splits = {split: judged.compare(clips, own) for split, clips in judged.clips.items()}
    test = splits[Split.TEST.value].decided
    raw = uncalibrated(test.probabilities, bundle.kind, bundle.temperature)
    return ModelAnswers(
        version=bundle.version,
        classes=judged.capability.classes,
        shares=judged.shares,
        splits=splits,
        cross_fitted=_cross_fitted(bundle, judged, own),
        uncalibrated=ScoredClips(test.kind, test.truth, raw, test.decided),
        set_threshold=bundle.set_threshold,
        unknown=tuple(name for name in judged.capability.classes if name not in bundle.classes),
    )


def _cross_fitted(bundle: Bundle, judged: Judged, predictions: pd.DataFrame) -> Answered | None:
    """What models that had not seen their units said of training and validation clips."""
    known = pd.concat([judged.clips[split.value] for split in (Split.TRAIN, Split.VALIDATION)], ignore_index=True)
    said = cross_fitted_answers(predictions, known, bundle)
    return judged.compare(known[known["clip_id"].isin(said["clip_id"])], said) if len(said) else None

"""Nodes that tell what models lean on, what more labels bring, and the surest mistakes."""

import logging
from typing import Any

import pandas as pd

from cu_pipeline.core.records import Split
from cu_pipeline.evaluation.error_gallery import surest_errors
from cu_pipeline.evaluation.judged import ModelAnswers
from cu_pipeline.evaluation.measurement import EvaluateOptions
from cu_pipeline.evaluation.modality_parts import modality_parts
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.inference.growing_shares import NOT_FITTED, CurveClips, measure_curve, why_no_curve
from cu_pipeline.inference.hidden_modalities import answers_without
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.training import training_data

_log = logging.getLogger(__name__)


def hide_modalities(
    answers: dict[str, ModelAnswers], shown: dict[str, Bundle], store: FeatureStore
) -> dict[str, list[dict[str, Any]]]:
    """Ask the models about the labelled test clips once more, without one modality at a time.

    Returns:
        capability -> what each modality adds.
    """
    parts = {}
    for name, model in answers.items():
        test = model.splits["test"]
        hidden = answers_without(shown[name], model, store)
        parts[name] = modality_parts(test.decided, hidden, test.units)
    return parts


def gather_curve_clips(
    clips: pd.DataFrame, labels: pd.DataFrame, answers: dict[str, ModelAnswers], shown: dict[str, Bundle]
) -> dict[str, CurveClips]:
    """Join the clips that learning curves are measured with.

    Returns:
        By capability, of those that have labelled clips to learn from.
    """
    found = {}
    for name, model in answers.items():
        inside = shown[name].scope.within(clips)
        labelled = set(labels.loc[labels["capability"] == name, "clip_id"])
        if labelled & set(inside.loc[inside["split"] == Split.TRAIN.value, "clip_id"]):
            data = training_data(name, shown[name].answers, inside, labels)
            found[name] = CurveClips.of(data, model.splits["test"].clips)
    return found


def measure_learning_curves(
    curve_clips: dict[str, CurveClips],
    shown: dict[str, Bundle],
    store: FeatureStore,
    earlier: dict[str, Any],
    options: EvaluateOptions,
    seed: int,
) -> dict[str, Any]:
    """Measure what more labels bring, unless an earlier run has done that for the same model, labels and options.

    Returns:
        capability -> the part `learning_curve` of the `insights` dataset, or in words why there is none.
    """
    how = options.insights.learning_curve
    curves: dict[str, Any] = {}
    for name, clips in curve_clips.items():
        key = clips.fingerprint(shown[name], how, seed)
        known = earlier.get(name, {}).get("learning_curve") or {}
        why = why_no_curve(shown[name], clips, how)
        whole = len(known.get("points", ())) == len(how.shares)
        if why or (whole and known["of"] == key):
            curves[name] = why or known
            continue
        curve = measure_curve(shown[name], clips, store, how, seed)
        if curve is None:
            curves[name] = NOT_FITTED
        elif known.get("of") == key and len(known["points"]) > len(curve.clips):  # the machine had more time then
            curves[name] = known
        else:
            curves[name] = curve.to_json(clips.known, how.more_clips) | {"of": key}
    return curves


def gather_insights(
    answers: dict[str, ModelAnswers], parts: dict[str, Any], curves: dict[str, Any], options: EvaluateOptions
) -> dict[str, Any]:
    """Put together what is told of the shown models beside their numbers, the surest mistakes among it.

    Returns:
        The `insights` dataset.
    """
    found = {}
    for name, model in answers.items():
        curve = curves.get(name, "no clip to learn from has a label")
        found[name] = {
            "model_version": model.version,
            "modalities": parts[name],
            "learning_curve": curve if isinstance(curve, dict) else None,
            "why_no_curve": curve if isinstance(curve, str) else "",
            "errors": surest_errors(model.splits["test"], model.classes, options.insights.errors),
        }
        if isinstance(curve, dict) and curve["forecast"]:
            _log.info("%s: %s", name, curve["forecast"]["in_words"])
    return found

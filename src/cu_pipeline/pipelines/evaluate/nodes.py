import json
import logging
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.evaluation.baselines import BaselineData, facts_of
from cu_pipeline.evaluation.gate import Decision, compare, first_model, not_measured, same_model
from cu_pipeline.evaluation.metrics import Answers
from cu_pipeline.evaluation.options import EvaluateOptions
from cu_pipeline.evaluation.report import baseline_report, model_report
from cu_pipeline.features.clip_features import ClipFeatures, read_features
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.inference.batch import predict_table
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.models.targets import hard_targets

_log = logging.getLogger(__name__)

_NOTHING: Final = ("{}", "{}")
"""Predictions and labels of a clip where there is no model."""


def predict_clips(
    clips: pd.DataFrame, bundles: dict[str, Bundle], store: FeatureStore, extracted: FeatureOptions
) -> pd.DataFrame:
    """Predict every capability of every clip from its stored features.

    Returns:
        The predictions table.
    """
    return predict_table(clips, read_features(clips, store, build_all(extracted)), bundles)


def measure_models(
    clips: pd.DataFrame,
    labels: pd.DataFrame,
    predictions: pd.DataFrame,
    bundles: dict[str, Bundle],
    store: FeatureStore,
    extracted: FeatureOptions,
    options: EvaluateOptions,
    seed: int,
) -> dict[str, Any]:
    """Measure each model, and baselines beside it, on clips that people labelled.

    Returns:
        The `metrics` dataset: capability -> split -> numbers, and what plots need.
    """
    features = read_features(clips, store, build_all(extracted))
    report = {}
    for name, bundle in bundles.items():
        judged = _judged(clips, labels, bundle)
        answers = _answers(judged, predictions, bundle)
        report[name] = model_report(answers, list(bundle.classes), seed, options)
        if not len(answers["test"]):
            _log.warning("%s: no clip of the test split has a label by people, so nothing is measured", name)
            continue
        data = {split: _baseline_data(judged[split], features, bundle) for split in ("train", "test")}
        report[name]["baselines"] = (
            baseline_report(data["train"], data["test"], answers["test"], seed, options) if len(judged["train"]) else {}
        )
        _log.info("%s: %s", name, _summary(report[name]))
    return report


def gate_challengers(
    clips: pd.DataFrame,
    labels: pd.DataFrame,
    bundles: dict[str, Bundle],
    champions: dict[str, Bundle],
    store: FeatureStore,
    extracted: FeatureOptions,
    options: EvaluateOptions,
) -> dict[str, Any]:
    """Compare each challenger with its champion on the same test clips.

    Returns:
        The `gate` dataset: capability -> decision and why.
    """
    features = read_features(clips, store, build_all(extracted))
    decisions = {}
    for name, challenger in bundles.items():
        test = _judged(clips, labels, challenger)["test"]
        decision = _gate(challenger, champions.get(name), test, features, options.gate_alpha)
        decisions[name] = decision.to_json()
        _log.info("%s: %s: %s", name, decision.decision, "; ".join(decision.reasons))
    return decisions


def describe_reference(
    clips: pd.DataFrame, predictions: pd.DataFrame, store: FeatureStore, extracted: FeatureOptions
) -> pd.DataFrame:
    """Describe training and validation clips as the service's log describes its traffic.

    Test clips are left out: they may be replayed as traffic, and would be compared with themselves.

    Returns:
        clip_id, split, embedding (list of 1664), media facts, text_length, and JSON of predictions and labels.
    """
    features = read_features(clips, store, build_all(extracted))
    table = clips[["clip_id", "split", "creator", "duration_s", "width", "height", "fps", "bytes"]].copy()
    table["text_length"] = clips["text"].str.len().astype("float64")
    table["embedding"] = list(features.embedding())
    said = predictions.assign(probabilities=predictions["probabilities"].map(json.loads)).groupby("clip_id")
    by_clip = {
        clip_id: (
            json.dumps(dict(zip(rows["capability"], rows["probabilities"], strict=True))),
            json.dumps(dict(zip(rows["capability"], rows["label"], strict=True))),
        )
        for clip_id, rows in said
    }
    table["predictions"] = [by_clip.get(clip_id, _NOTHING)[0] for clip_id in table["clip_id"]]
    table["labels"] = [by_clip.get(clip_id, _NOTHING)[1] for clip_id in table["clip_id"]]
    return table[clips["split"].isin([Split.TRAIN.value, Split.VALIDATION.value])].reset_index(drop=True)


def _judged(clips: pd.DataFrame, labels: pd.DataFrame, bundle: Bundle) -> dict[str, pd.DataFrame]:
    """Give the clips of each split that people labelled, with `label` and their `row` in `clips`."""
    own = labels[(labels["capability"] == bundle.capability) & (labels["source"] == AnnotatorKind.HUMAN.value)]
    numbered = clips.reset_index(drop=True).rename_axis("row").reset_index()
    joined = numbered.merge(own[["clip_id", "label"]], on="clip_id", validate="one_to_one")
    return {split.value: joined[joined["split"] == split.value] for split in Split}


def _answers(judged: dict[str, pd.DataFrame], predictions: pd.DataFrame, bundle: Bundle) -> dict[str, Answers]:
    own = predictions[predictions["capability"] == bundle.capability].set_index("clip_id")
    return {split: _answers_of(rows, own.loc[rows["clip_id"]], bundle) for split, rows in judged.items()}


def _answers_of(rows: pd.DataFrame, predicted: pd.DataFrame, bundle: Bundle) -> Answers:
    capability = Capability(kind=bundle.kind, classes=bundle.classes)
    given = [json.loads(text) for text in predicted["probabilities"]]
    probabilities = np.array([[values[name] for name in bundle.classes] for values in given], dtype=np.float64)
    return Answers(
        bundle.kind,
        hard_targets(rows["label"], capability).astype(bool),
        probabilities.reshape(-1, len(bundle.classes)),
        hard_targets(predicted["label"], capability).astype(bool),
    )


def _baseline_data(rows: pd.DataFrame, features: ClipFeatures, bundle: Bundle) -> BaselineData:
    own = features.take(rows["row"].to_numpy())
    truth = hard_targets(rows["label"], Capability(kind=bundle.kind, classes=bundle.classes))
    return BaselineData(rows["text"].tolist(), own.frames.mean(1), facts_of(rows), truth.astype(bool))


def _gate(
    challenger: Bundle, champion: Bundle | None, test: pd.DataFrame, features: ClipFeatures, alpha: float
) -> Decision:
    if champion is not None and champion.version == challenger.version:
        return same_model(champion.version)
    if test.empty:
        return not_measured(challenger.version, champion.version if champion else None)
    if champion is None:
        return first_model(challenger.version, "there is no champion yet")
    if champion.classes != challenger.classes or champion.kind != challenger.kind:
        reason = "the classes changed, so the champion can no longer answer"
        return first_model(challenger.version, reason, champion.version)
    if champion.extractors != challenger.extractors:
        reason = "the features changed, so the champion can no longer read them"
        return first_model(challenger.version, reason, champion.version)
    own = features.take(test["row"].to_numpy())
    right = [
        _answers_of(test, predict_table(test, own, {bundle.capability: bundle}), bundle).correct()
        for bundle in (challenger, champion)
    ]
    return compare(challenger.version, champion.version, (right[0], right[1]), alpha)


def _summary(report: dict[str, Any]) -> str:
    test = report["test"]
    low, high = test["ci95"]["accuracy"]
    others = ", ".join(f"{name} {values['accuracy']:.3f}" for name, values in report["baselines"].items())
    return f"test accuracy {test['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {test['n']} clips; {others}"

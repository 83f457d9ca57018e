import json
import logging
from dataclasses import replace
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capability, indicators
from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.records import REFERENCE, Split, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.core.scope import Scope
from cu_pipeline.evaluation import gate
from cu_pipeline.evaluation.baselines import MOST_CLIPS, BaselineData, facts_of, some
from cu_pipeline.evaluation.measurement import EvaluateOptions, Judged, baseline_report, model_report
from cu_pipeline.evaluation.metrics import answers_in_words
from cu_pipeline.evaluation.skill import learned_nothing, skill
from cu_pipeline.features.clip_features import (
    content_column,
    embedding,
    has_features,
    part_name,
    read_features,
)
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.inference.predictor import as_unseen, predict_table
from cu_pipeline.models.bundle import Bundle, inputs_of, under_scopes
from cu_pipeline.tracking.promotions import Promotion

_log = logging.getLogger(__name__)


def find_champions(
    served: dict[str, Bundle], bundles: dict[str, Bundle], ledger: list[Promotion], resolved: ResolvedCapabilities
) -> tuple[dict[str, Bundle], dict[str, set[str]]]:
    """Find what serves now, as the project's data say; a registry that lacks it is filled.

    Returns:
        The champions of all configured capabilities, and the versions that people took back, by capability.
    """
    from cu_pipeline.tracking.champions import settle_champions

    kept = {name: bundle for name, bundle in served.items() if name in bundles or name in resolved.configured}
    standing = settle_champions(kept, bundles, ledger)
    return standing.champions, standing.taken_back


def join_truth(clips: pd.DataFrame, labels: pd.DataFrame, bundles: dict[str, Bundle]) -> dict[str, Judged]:
    """Find the clips that each model can be measured on, since people labelled them.

    Returns:
        By capability.
    """
    return {name: Judged.of(name, bundle.answers, clips, labels) for name, bundle in bundles.items()}


def gate_challengers(
    judged: dict[str, Judged],
    bundles: dict[str, Bundle],
    champions: dict[str, Bundle],
    taken_back: dict[str, set[str]],
    store: FeatureStore,
    options: EvaluateOptions,
) -> dict[str, Any]:
    """Compare each challenger with its champion on the same test clips, each by the features that it reads.

    Returns:
        The `gate` dataset: capability -> decision and why.
    """
    decisions = {}
    for name, challenger in bundles.items():
        decision = _gate(challenger, champions.get(name), judged[name], store, options.gate_alpha)
        if challenger.version in taken_back.get(name, ()):
            decision = gate.hold_back(decision)
        decisions[name] = decision.to_json()
        _log.info("%s: %s: %s", name, decision.decision, "; ".join(decision.reasons))
    return decisions


def choose_shown(
    clips: pd.DataFrame,
    bundles: dict[str, Bundle],
    champions: dict[str, Bundle],
    decisions: dict[str, Any],
    store: FeatureStore,
    resolved: ResolvedCapabilities,
) -> dict[str, Bundle]:
    """Choose the model of each capability that results speak of: the served one, and where there is none the trained.

    A champion whose features are stored for no clip says nothing of them, so the trained model stands for it.
    """
    shown = dict(bundles)
    for name, champion in champions.items():
        if name in decisions and gate.Decision(**decisions[name]).served != champion.version:
            continue
        if all(_is_stored(clips, store, one) for one in champion.inputs.values()):
            shown[name] = champion
        else:
            _log.warning("%s: the features that the champion reads are stored for no clip: run featurize", name)
    return under_scopes(shown, resolved.active)


def predict_clips(
    clips: pd.DataFrame, shown: dict[str, Bundle], store: FeatureStore, resolved: ResolvedCapabilities
) -> pd.DataFrame:
    """Predict every capability of the clips that it applies to from their stored features, by the served models.

    Returns:
        The predictions table.
    """
    return resolved.without_inapplicable(predict_table(clips, store, shown))


def predict_by_challengers(
    clips: pd.DataFrame,
    bundles: dict[str, Bundle],
    shown: dict[str, Bundle],
    store: FeatureStore,
    resolved: ResolvedCapabilities,
) -> pd.DataFrame:
    """Predict the same clips by the trained models that are kept back.

    Returns:
        A table like that of the predictions.
    """
    kept_back = {name: bundle for name, bundle in bundles.items() if bundle.version != shown[name].version}
    return resolved.without_inapplicable(predict_table(clips, store, under_scopes(kept_back, resolved.active)))


def measure_models(
    judged: dict[str, Judged],
    predictions: pd.DataFrame,
    models: dict[str, Bundle],
    options: EvaluateOptions,
    seed: int,
) -> dict[str, Any]:
    """Measure models on clips that people labelled.

    Args:
        judged: the clips, by capability.
        predictions: of all clips.
        models: the bundles that predicted, by capability; there may be others.
        options: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        capability -> its part of the `metrics` dataset, without baselines.
    """
    report = {}
    for name, truth in judged.items():
        own = predictions[predictions["capability"] == name]
        if own.empty:
            continue
        if models[name].answers != truth.capability:
            _log.warning("%s: the served model answers other classes than people label, so it is not measured", name)
            continue
        answers = {split: truth.answers(split, own) for split in truth.clips}
        measured = model_report(answers, list(truth.capability.classes), seed, options)
        report[name] = {"model_version": models[name].version} | measured
        if len(answers["test"]):
            units = truth.clips["test"]["group"].to_numpy(dtype=str)
            report[name]["skill"] = skill(answers["test"].always_answered(), truth.shares, units, seed).to_json()
    return report


def measure_baselines(
    judged: dict[str, Judged], bundles: dict[str, Bundle], store: FeatureStore, options: EvaluateOptions, seed: int
) -> dict[str, Any]:
    """Train and measure simple models on the same clips.

    Returns:
        capability -> baseline -> numbers.
    """
    report = {}
    for name, truth in judged.items():
        known = {"train": some(truth.clips["train"], MOST_CLIPS), "test": truth.clips["test"]}
        train, test = (_baseline_data(clips, truth.capability, bundles[name], store) for clips in known.values())
        usable = len(train.texts) and len(test.texts)
        report[name] = baseline_report(train, test, truth.capability.kind, seed, options) if usable else {}
    return report


def gather_metrics(
    shown: dict[str, Any],
    challengers: dict[str, Any],
    baselines: dict[str, Any],
    decisions: dict[str, Any],
    bundles: dict[str, Bundle],
) -> dict[str, Any]:
    """Put the numbers together: of the served model first, of a challenger that is kept back beside it.

    What the trained model's family was chosen from stands there too.

    Returns:
        The `metrics` dataset: capability -> split -> numbers, and what plots need.
    """
    report = {}
    for name, decision in decisions.items():
        found, other = shown.get(name), challengers.get(name)
        first = found or other
        if first is None:
            continue
        served = first["model_version"] == gate.Decision(**decision).served
        beside = {"challenger": other} if found and other else {}
        chosen_from = {"candidates": list(bundles[name].candidates)} if bundles[name].candidates else {}
        report[name] = first | {"served": served, "baselines": baselines[name]} | beside | chosen_from
        if "test" in first:
            _log.info("%s: %s", name, _summary(report[name]))
            if (found := learned_nothing(report[name])) is not None:
                _log.warning("%s: %s", name, found)
        else:
            _log.warning("%s: no clip of the test split has a label by people, so nothing is measured", name)
    return report


def describe_reference(
    clips: pd.DataFrame,
    predictions: pd.DataFrame,
    bundles: dict[str, Bundle],
    shown: dict[str, Bundle],
    store: FeatureStore,
) -> pd.DataFrame:
    """Describe training and validation clips as the service's log describes its traffic.

    Test clips are left out: they may be replayed as traffic, and would be compared with themselves. Of clips that a
    model learned from it has what models said that had not seen them, where the model's family tells.

    Returns:
        clip_id, split, embedding (list) of all features that a trained or served model reads, widths of its parts,
        media facts, text_length, and JSON of predictions, labels and model versions.
    """
    known = clips[clips["split"].isin([Split.TRAIN.value, Split.VALIDATION.value])].reset_index(drop=True)
    inputs = [one for one in inputs_of([*bundles.values(), *shown.values()]) if _is_stored(known, store, one)]
    features = {part_name(one): read_features(known, store, {one.name: one})[one.name] for one in inputs}
    vectors, parts = embedding(features, len(known))
    said = as_unseen(predictions, known, shown)
    reference = known.assign(
        text_length=known["text"].str.len().astype("float64"),
        embedding=list(vectors),
        parts=json.dumps(parts),
        predictions=_by_capability(said, known["clip_id"], "probabilities"),
        labels=_by_capability(said, known["clip_id"], "label"),
        versions=_by_capability(said, known["clip_id"], "model_version"),
    )
    return table(reference, REFERENCE)


def _by_capability(rows: pd.DataFrame, clip_ids: "pd.Series[str]", column: str) -> list[str]:
    """Each clip's predictions as a JSON object: capability -> value."""
    values = rows[column].map(json.loads) if column == "probabilities" else rows[column]
    found: dict[str, dict[str, Any]] = {}
    for clip_id, capability, value in zip(rows["clip_id"], rows["capability"], values, strict=True):
        found.setdefault(clip_id, {})[capability] = value
    return [json.dumps(found.get(clip_id, {})) for clip_id in clip_ids]


def _is_stored(clips: pd.DataFrame, store: FeatureStore, one: FeatureInput) -> bool:
    """Whether a feature is there for any clip that has the content, or no clip has it."""
    contents = set(clips[content_column(one.name)]) - {""}
    return not contents or len(store.missing(one, sorted(contents))) < len(contents)


def _baseline_data(clips: pd.DataFrame, capability: Capability, bundle: Bundle, store: FeatureStore) -> BaselineData:
    features = read_features(clips, store, bundle.inputs).vectors()
    return BaselineData(
        clips["text"].tolist(),
        {key: values for name, feature in features.items() for key, values in feature.summaries(name).items()},
        facts_of(clips),
        indicators(clips["label"], capability),
    )


def _gate(
    challenger: Bundle, champion: Bundle | None, judged: Judged, store: FeatureStore, alpha: float
) -> gate.Decision:
    test = judged.clips["test"]
    if champion is not None and champion.version == challenger.version:
        return gate.same_model(champion.version)
    if test.empty:
        return gate.not_measured(challenger.version, champion.version if champion else None)
    if champion is None:
        return gate.first_model(challenger.version, "there is no champion yet")
    if champion.answers.classes != challenger.classes or champion.kind != challenger.kind:
        reason = "the classes changed, so the champion can no longer answer"
        return gate.first_model(challenger.version, reason, champion.version)
    decision = _compared(challenger, champion, judged, store, alpha)
    try:
        champion.extractors()
    except BundleError as error:
        return gate.replace_unusable(decision, str(error))
    return decision


def _compared(challenger: Bundle, champion: Bundle, judged: Judged, store: FeatureStore, alpha: float) -> gate.Decision:
    test = judged.clips["test"]
    both = has_features(test, store, challenger.inputs) & has_features(test, store, champion.inputs)
    if not both.any():
        return gate.not_comparable(challenger.version, champion.version)
    shared = Judged(judged.capability, {"test": test[both]})
    # both are asked about the same clips, whatever the scope was when they were trained
    said = [predict_table(test[both], store, {one.capability: one.scoped(Scope())}) for one in (challenger, champion)]
    # and each counts by its likeliest class, whether or not it would give that for an answer
    right: list[Any] = [shared.answers("test", given).always_answered().correct() for given in said]
    decision = gate.compare(challenger.version, champion.version, (right[0], right[1]), alpha)
    if challenger.decision == champion.decision or decision.decision == "promote":
        return decision
    changed = "the capability's `decision` was changed, and the challenger, which keeps to it, is"
    if gate.mcnemar(right[1], right[0]) <= alpha:
        return replace(decision, reasons=[f"{changed} worse", *decision.reasons])
    return replace(decision, decision="promote", reasons=[f"{changed} not shown to be worse", *decision.reasons])


def _summary(report: dict[str, Any]) -> str:
    test = report["test"]
    low, high = test["ci95"]["accuracy"]
    others = {name: values["accuracy"] for name, values in report["baselines"].items()}
    if "challenger" in report:
        others = {"challenger": report["challenger"]["test"]["accuracy"]} | others
    told = ", ".join(f"{name} {accuracy:.3f}" for name, accuracy in others.items())
    who = "served model" if report["served"] else "model"
    if "answers" in test:
        told = f"{answers_in_words(test['answers'])}; {told}"
    return f"{who}: test accuracy {test['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {test['n']} clips; {told}"

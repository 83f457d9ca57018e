import json
import logging
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capability, indicators
from cu_pipeline.core.records import REFERENCE, Split, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.account import Account, GateTest
from cu_pipeline.evaluation.baselines import MOST_CLIPS, BaselineData, facts_of, some
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.error_gallery import surest_errors
from cu_pipeline.evaluation.gate import decide
from cu_pipeline.evaluation.gate_decision import Decision
from cu_pipeline.evaluation.measurement import EvaluateOptions, Judged, ask_baselines, baseline_report, model_report
from cu_pipeline.evaluation.metrics import ScoredClips, answers_in_words
from cu_pipeline.evaluation.modality_parts import modality_parts
from cu_pipeline.evaluation.skill import learned_nothing, skill
from cu_pipeline.features.clip_features import (
    content_column,
    embedding,
    part_name,
    read_features,
)
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.inference import zero_shot_baseline
from cu_pipeline.inference.contests import contest_of
from cu_pipeline.inference.growing_shares import CurveClips, measure_curve, why_no_curve
from cu_pipeline.inference.hidden_modalities import answers_without
from cu_pipeline.inference.predictor import as_unseen, predict_table
from cu_pipeline.models.bundle import Bundle, inputs_of, under_scopes
from cu_pipeline.models.training import training_data
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


def ask_models(
    judged: dict[str, Judged], bundles: dict[str, Bundle], champions: dict[str, Bundle], store: FeatureStore
) -> dict[str, Contest]:
    """Ask each challenger and its champion about the same test clips, each by the features that it reads.

    Returns:
        By capability.
    """
    return {name: contest_of(one, champions.get(name), judged[name], store) for name, one in bundles.items()}


def answer_by_baselines(
    judged: dict[str, Judged],
    bundles: dict[str, Bundle],
    store: FeatureStore,
    resolved: ResolvedCapabilities,
    seed: int,
) -> dict[str, dict[str, ScoredClips]]:
    """Train simple models on the same clips and ask them about the labelled test clips.

    An image-text model is asked, too, where the trained model reads its features.

    Returns:
        capability -> baseline -> answers.
    """
    found = {}
    for name, truth in judged.items():
        known = {"train": some(truth.clips["train"], MOST_CLIPS), "test": truth.clips["test"]}
        train, test = (_baseline_data(clips, truth.capability, bundles[name], store) for clips in known.values())
        usable = len(train.texts) and len(test.texts)
        found[name] = ask_baselines(train, test, truth.capability.kind) if usable else {}
        if usable and bundles[name].family != zero_shot_baseline.NAME:
            capability = _described(truth.capability, resolved.active.get(name))
            untaught = zero_shot_baseline.zero_shot_answers(known, capability, bundles[name].inputs, store, seed)
            found[name] |= {} if untaught is None else {zero_shot_baseline.NAME: untaught}
    return found


def gate_challengers(
    contests: dict[str, Contest],
    baselines: dict[str, dict[str, ScoredClips]],
    taken_back: dict[str, set[str]],
    earlier: list[GateTest],
    options: EvaluateOptions,
) -> tuple[list[GateTest], dict[str, Any]]:
    """Decide of each challenger, at the level that earlier tests on the same clips leave.

    Returns:
        The tests that were made now, and the `gate` dataset: capability -> decision and why.
    """
    unknown = sorted(set(options.gate.force) - contests.keys())
    if unknown:
        _log.warning("evaluate.gate.force names %s, of which no model was trained", ", ".join(unknown))
    entries, decisions = [], {}
    for name, contest in contests.items():
        account = Account(name, earlier, alone=bool(contest.alone))
        decision, made = decide(contest, baselines[name], account, options.gate_alpha, options.gate)
        if contest.challenger in taken_back.get(name, ()):
            decision = decision.held_back()
        entries += made
        decisions[name] = decision.to_json()
        _log.log(_loudness(decision), "%s: %s: %s", name, decision.verdict, "; ".join(decision.reasons))
    return entries, decisions


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
        if name in decisions and Decision(**decisions[name]).served != champion.version:
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
            report[name]["skill"] = skill(answers["test"].always_answered(), truth.shares, units).to_json()
    return report


def measure_baselines(
    answers: dict[str, dict[str, ScoredClips]], options: EvaluateOptions, seed: int
) -> dict[str, Any]:
    """Measure simple models on the same clips.

    Returns:
        capability -> baseline -> numbers.
    """
    return {name: baseline_report(found, seed, options) for name, found in answers.items()}


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
        served = first["model_version"] == Decision(**decision).served
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


def _described(answers: Capability, configured: Capability | None) -> Capability:
    """What a model recognises, with the words that say what belongs to each class."""
    words = {} if configured is None else configured.class_descriptions
    return answers.model_copy(update={"class_descriptions": words})


def _loudness(decision: Decision) -> int:
    """A capability that is not served since nothing was promoted is warned of."""
    return logging.WARNING if decision.served is None or decision.forced else logging.INFO


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


def hide_modalities(
    judged: dict[str, Judged], predictions: pd.DataFrame, shown: dict[str, Bundle], store: FeatureStore
) -> dict[str, list[dict[str, Any]]]:
    """Ask the models about the labelled test clips once more, without one modality at a time.

    Returns:
        capability -> what each modality adds.
    """
    parts = {}
    for name, truth in _measurable(judged, shown).items():
        hidden = answers_without(shown[name], truth, store)
        if hidden:
            whole = truth.answers("test", _of(predictions, name)).always_answered()
            parts[name] = modality_parts(whole, hidden, truth.clips["test"]["group"].to_numpy(dtype=str))
    return parts


def gather_curve_clips(
    clips: pd.DataFrame, labels: pd.DataFrame, judged: dict[str, Judged], shown: dict[str, Bundle]
) -> dict[str, CurveClips]:
    """Join the clips that learning curves are measured with.

    Returns:
        By capability.
    """
    found = {}
    for name, truth in _measurable(judged, shown).items():
        inside = shown[name].scope.within(clips)
        if set(inside.loc[inside["split"] == Split.TRAIN.value, "clip_id"]) & set(_of(labels, name)["clip_id"]):
            data = training_data(name, truth.capability, inside, labels)
            found[name] = CurveClips.of(data, truth.clips["test"])
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
    curves: dict[str, Any] = {}
    for name, clips in curve_clips.items():
        how = options.insights.learning_curve
        key = clips.fingerprint(shown[name], how, seed)
        known = earlier.get(name, {}).get("learning_curve") or {}
        why = why_no_curve(shown[name], clips, how)
        if why or known.get("of") == key:
            curves[name] = why or known
            continue
        curve = measure_curve(shown[name], clips, store, how, seed)
        curves[name] = "its clips cannot be divided" if curve is None else curve.to_json(clips.known, how.more_clips)
        if curve is not None:
            curves[name]["of"] = key
            if curves[name]["forecast"]:
                _log.info("%s: %s", name, curves[name]["forecast"]["in_words"])
    return curves


def gather_insights(
    judged: dict[str, Judged],
    predictions: pd.DataFrame,
    shown: dict[str, Bundle],
    parts: dict[str, Any],
    curves: dict[str, Any],
    options: EvaluateOptions,
) -> dict[str, Any]:
    """Put together what is told of the shown models beside their numbers, the surest mistakes among it.

    Returns:
        The `insights` dataset.
    """
    found = {}
    for name, truth in _measurable(judged, shown).items():
        test, own, curve = truth.clips["test"], _of(predictions, name), curves.get(name)
        errors = []
        if len(test):
            decided = own.set_index("clip_id")["label"]
            errors = surest_errors(test, decided, truth.answers("test", own), options.insights.errors)
        found[name] = {
            "model_version": shown[name].version,
            "modalities": parts.get(name, []),
            "learning_curve": curve if isinstance(curve, dict) else None,
            "why_no_curve": curve if isinstance(curve, str) else "",
            "errors": errors,
        }
    return found


def _of(rows: pd.DataFrame, capability: str) -> pd.DataFrame:
    return rows[rows["capability"] == capability]


def _measurable(judged: dict[str, Judged], shown: dict[str, Bundle]) -> dict[str, Judged]:
    """Those whose shown model answers the classes that people label."""
    return {name: truth for name, truth in judged.items() if shown[name].answers == truth.capability}

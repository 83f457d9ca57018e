import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capability, indicators
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.account import Account, GateTest
from cu_pipeline.evaluation.baselines import MOST_CLIPS, BaselineData, context_of, facts_of, some
from cu_pipeline.evaluation.bootstrap import Bootstrap
from cu_pipeline.evaluation.cautions import cautions
from cu_pipeline.evaluation.comparison import compare
from cu_pipeline.evaluation.contest import Contest
from cu_pipeline.evaluation.gate import decide
from cu_pipeline.evaluation.gate_decision import Decision
from cu_pipeline.evaluation.judged import Judged, ModelAnswers
from cu_pipeline.evaluation.measurement import EvaluateOptions, ask_baselines, baseline_report, model_report
from cu_pipeline.evaluation.metrics import ScoredClips, answers_in_words
from cu_pipeline.evaluation.set_coverage import in_words as sets_in_words
from cu_pipeline.features.clip_features import (
    content_column,
    read_features,
)
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.inference import zero_shot_baseline
from cu_pipeline.inference.contests import Drawn, contest_of
from cu_pipeline.inference.model_answers import answers_of
from cu_pipeline.inference.predictions_table import predict_table
from cu_pipeline.labeling.people.requests import LabelRequest, drawn_for_test, last_asked
from cu_pipeline.models.bundle import Bundle, under_scopes
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


def join_truth(
    clips: pd.DataFrame, labels: pd.DataFrame, annotations: pd.DataFrame, bundles: dict[str, Bundle]
) -> dict[str, Judged]:
    """Find the clips that each model can be measured on, since people labelled them.

    Returns:
        By capability.
    """
    found = {name: Judged.of(name, bundle.answers, clips, labels, annotations) for name, bundle in bundles.items()}
    for name, judged in found.items():
        unknown = judged.capability.classes[len(bundles[name].classes) :]
        if unknown:
            _log.warning(
                "%s: people name %s, which the trained model %s does not know: it counts as wrong on these clips. To "
                "train it again: kedro run",
                name,
                ", ".join(map(repr, unknown)),
                bundles[name].version,
            )
    return found


def ask_models(
    judged: dict[str, Judged],
    bundles: dict[str, Bundle],
    champions: dict[str, Bundle],
    store: FeatureStore,
    requests: list[LabelRequest],
) -> dict[str, Contest]:
    """Ask each challenger and its champion about the same test clips, each by the features that it reads.

    Returns:
        By capability.
    """
    last = last_asked(requests)
    drawn = Drawn(drawn_for_test(last), drawn_for_test(requests), frozenset(one.clip_id for one in last))
    return {name: contest_of(one, champions.get(name), judged[name], store, drawn) for name, one in bundles.items()}


def answer_by_baselines(
    judged: dict[str, Judged],
    bundles: dict[str, Bundle],
    store: FeatureStore,
    resolved: ResolvedCapabilities,
    seed: int,
) -> dict[str, dict[str, ScoredClips]]:
    """Train simple models on the same clips and ask them about the labelled test clips.

    They look at what any trained model reads. An image-text model is asked, too, where the capability's reads its
    features.

    Returns:
        capability -> baseline -> answers.
    """
    found = {}
    for name, truth in judged.items():
        known = {"train": some(truth.clips["train"], MOST_CLIPS), "test": truth.clips["test"]}
        inputs = {key: one for bundle in bundles.values() for key, one in bundle.inputs.items()}
        inputs |= bundles[name].inputs
        train, test = (_baseline_data(clips, truth.capability, inputs, store) for clips in known.values())
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
            decision = decision.held_back_for(name)
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


def hold_against_truth(
    judged: dict[str, Judged], predictions: pd.DataFrame, models: dict[str, Bundle]
) -> dict[str, ModelAnswers]:
    """Hold what models predicted against what people said.

    Args:
        judged: the clips that people labelled, by capability.
        predictions: of all clips.
        models: the bundles that predicted, by capability; there may be others.

    Returns:
        By capability, of those that can be measured.
    """
    found = {}
    predicted = set(predictions["capability"])
    for name, truth in judged.items():
        if name not in predicted:
            continue
        if models[name].answers.answers_among(truth.capability):
            found[name] = answers_of(models[name], truth, predictions)
        else:
            _log.warning("%s: the served model answers other classes than people label, so it is not measured", name)
    return found


def measure_models(answers: dict[str, ModelAnswers], options: EvaluateOptions, seed: int) -> dict[str, Any]:
    """Measure models on clips that people labelled.

    Returns:
        capability -> its part of the `metrics` dataset, without what compares the model with others.
    """
    bootstrap = Bootstrap(seed, options.bootstrap_draws)
    return {name: model_report(model, bootstrap) for name, model in answers.items()}


def measure_baselines(
    baselines: dict[str, dict[str, ScoredClips]],
    judged: dict[str, Judged],
    shown: dict[str, ModelAnswers],
    challengers: dict[str, ModelAnswers],
    options: EvaluateOptions,
    seed: int,
) -> dict[str, Any]:
    """Measure simple models on the same clips, and what the model that results speak of gains over them.

    Returns:
        capability -> baseline -> numbers.
    """
    bootstrap = Bootstrap(seed, options.bootstrap_draws)
    models = challengers | shown
    return {
        name: baseline_report(
            found, judged[name].clips["test"], models[name].splits["test"] if name in models else None, bootstrap
        )
        for name, found in baselines.items()
    }


def compare_challengers(
    shown: dict[str, ModelAnswers], challengers: dict[str, ModelAnswers]
) -> dict[str, dict[str, Any]]:
    """Compare challengers that are kept back with what is served, on the test clips.

    Returns:
        By capability.
    """
    return {
        name: compare(one.splits["test"].decided, shown[name].splits["test"].decided, one.splits["test"].units)
        for name, one in challengers.items()
        if name in shown and len(one.splits["test"])
    }


def gather_metrics(
    shown: dict[str, Any],
    challengers: dict[str, Any],
    comparisons: dict[str, Any],
    baselines: dict[str, Any],
    decisions: dict[str, Any],
    bundles: dict[str, Bundle],
) -> dict[str, Any]:
    """Put the numbers together: of the served model first, of a challenger that is kept back beside it.

    What the trained model's family was chosen from stands there too, and what has to be said first of the numbers.

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
        beside = {"challenger": other | comparisons.get(name, {})} if found and other else {}
        chosen_from = {"candidates": list(bundles[name].candidates)} if bundles[name].candidates else {}
        whole = first | {"served": served, "baselines": baselines[name]} | beside | chosen_from
        report[name] = whole | {"warnings": cautions(whole)}
        if "test" in first:
            _log.info("%s: %s", name, _summary(whole))
            for sentence in report[name]["warnings"]:
                _log.warning("%s: %s", name, sentence)
        else:
            _log.warning("%s: no clip of the test split has a label by people, so nothing is measured", name)
    return report


def _is_stored(clips: pd.DataFrame, store: FeatureStore, one: FeatureInput) -> bool:
    """Whether a feature is there for any clip that has the content, or no clip has it."""
    contents = set(clips[content_column(one.name)]) - {""}
    return not contents or len(store.missing(one, sorted(contents))) < len(contents)


def _baseline_data(
    clips: pd.DataFrame, capability: Capability, inputs: Mapping[str, FeatureInput], store: FeatureStore
) -> BaselineData:
    features = read_features(clips, store, inputs).vectors()
    return BaselineData(
        clips["text"].tolist(),
        {key: values for name, feature in features.items() for key, values in feature.summaries(name).items()},
        facts_of(clips),
        indicators(clips["label"], capability),
        context_of(clips),
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
    if "prediction_sets" in report:
        told = f"{sets_in_words(report['prediction_sets'])}; {told}"
    where = f"{test['n']} clips of {test['units']} units"
    return f"{who}: test accuracy {test['accuracy']:.3f} [{low:.3f}, {high:.3f}] on {where}; {told}"

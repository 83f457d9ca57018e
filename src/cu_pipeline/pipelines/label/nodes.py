import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.counters import count
from cu_pipeline.core.lean import below, rows_where
from cu_pipeline.core.records import ANNOTATIONS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.extractor import FeatureChunk
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureOptions, build_all
from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.labeling.aggregation import aggregate
from cu_pipeline.labeling.copies import on_originals, originals, without_copies
from cu_pipeline.labeling.costs import bill, cost_messages, summarise
from cu_pipeline.labeling.guarantee.calibration_set import (
    calibration_clips,
    hide_calibration,
    prior_knowledge,
)
from cu_pipeline.labeling.guarantee.cascade import asked, certified_unasked, llm_versions, spare
from cu_pipeline.labeling.guarantee.opinions import Opinions, priced
from cu_pipeline.labeling.guarantee.options import GuaranteeOptions
from cu_pipeline.labeling.guarantee.outcome import Guarantee, certify_capabilities
from cu_pipeline.labeling.guarantee.results import CertificationTest
from cu_pipeline.labeling.ledger import known_keys, new_entries
from cu_pipeline.labeling.money import Money, money_messages, money_table
from cu_pipeline.labeling.options import ChampionOptions, ZeroShotSourceOptions
from cu_pipeline.labeling.people.batches import paid_answers, review_batches, unused_batches
from cu_pipeline.labeling.people.checked_rules import RuleCheck
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.requests import LabelRequest, taken_along
from cu_pipeline.labeling.people.work_log import BatchDecided, BatchOpened, PersonAnswer
from cu_pipeline.labeling.priors import class_priors, people_captions
from cu_pipeline.labeling.scope import Applicability, divide_opinions, tell_scopes
from cu_pipeline.labeling.sources.champions import annotate_by_champions
from cu_pipeline.labeling.sources.eligibility import Ineligible, all_eligible, ineligible_clips
from cu_pipeline.labeling.sources.rules import AnyRule, annotate_by_rules, load_rules, rules_in_use
from cu_pipeline.labeling.sources.zero_shot import annotate_by_zero_shot
from cu_pipeline.llm.clients.call_log import Call, Payment
from cu_pipeline.llm.clients.dispatch import ask_model
from cu_pipeline.llm.clients.protocol import Answer
from cu_pipeline.llm.labels import recipes
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import ClipsToAsk, Inquiry, askable, choose_clips, plan_inquiries, with_purposes
from cu_pipeline.llm.labels.recipes import Background
from cu_pipeline.llm.methods.few_shot import Pool, training_pool
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.inputs import Extracted, read_missing_screens
from cu_pipeline.models.bundle import Bundle

_log = logging.getLogger(__name__)


def apply_scopes(
    opinions: pd.DataFrame, clips: pd.DataFrame, capabilities: Capabilities
) -> tuple[pd.DataFrame, pd.DataFrame, Applicability, dict[str, Any]]:
    """Set aside what people said of clips that a capability does not apply to, and "not applicable" itself.

    Returns:
        The annotations that are used, those set aside, where capabilities apply, and that in numbers and words.
    """
    found = divide_opinions(opinions, clips, capabilities)
    tell_scopes(found.report)
    return found.used, found.apart, found.applicability, found.report


def choose_calibration(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    people_annotations: list[PersonAnswer],
    resolved: ResolvedCapabilities,
    guarantee: GuaranteeOptions,
    people: PeopleOptions,
) -> tuple[pd.DataFrame, Opinions]:
    """Choose the clips, labelled by people, on which other sources are tested.

    Returns:
        Their table, and what people say of all clips, to which the nodes after this one add what other sources say.
    """
    arrived = [answer.clip_id for answer in people_annotations]
    drawn = calibration_clips(clips, annotations, resolved.active, guarantee, people, arrived)
    return drawn, Opinions(clips, resolved, priced(annotations), drawn, guarantee, people.price)


def annotate_with_rules(
    opinions: Opinions,
    functions: Path,
    rules: tuple[AnyRule, ...],
    requests: list[LabelRequest],
    people: PeopleOptions,
    least_right: float,
) -> tuple[pd.DataFrame, Opinions]:
    """Ask the rules of the parameters and of the rules file about every clip that is no copy.

    Where people's labels show that a rule of a capability is wrong too often, none labels what iterations took along:
    these clips are here for their labels alone, and without one rule the others' classes would seem commoner than they
    are, and nobody else is asked about them. Whatever any source says of clips that iterations chose from the service's
    traffic, none is certified.

    Returns:
        What all rules say, and the opinions with what counts of that.
    """
    everyone = rules_in_use([*rules, *load_rules(functions)], opinions.clips, opinions.active)
    feeds = opinions.clips["feed"].unique()
    said = annotate_by_rules(everyone, opinions.single_clips, opinions.active, opinions.capabilities.skipped, feeds)
    versions = {name: [rule.version for rule in everyone if rule.capability == name] for name in opinions.active}
    along = taken_along(opinions.clips, requests)
    chosen = {Ineligible.SERVED: opinions.clips.loc[opinions.clips["feed"] == SERVED, "clip_id"]}
    ineligible = below([ineligible_clips(name, chosen) for name in opinions.active])
    counted = said
    if len(along):
        check = RuleCheck.of(everyone, requests, people, least_right)
        distrusted = [name for name in opinions.active if _any_failed(name, said, opinions, check)]
        counted = rows_where(said, ~(said["clip_id"].isin(along) & said["capability"].isin(distrusted)))
    return said, opinions.heard(counted, ineligible).decided_by(versions)


def _any_failed(name: str, said: pd.DataFrame, opinions: Opinions, check: RuleCheck) -> bool:
    """Whether some rule of a capability is right too seldom; it is told which."""
    mine, others = (one[one["capability"] == name] for one in (said, opinions.annotations))
    failed = check.failed(mine, others, opinions.clips_of(name), opinions.active[name])
    for rule, accuracy in failed.items():
        _log.warning(
            "%s: rules label no clip that was taken along, since %r is right about %.0f %% of what the service saw and "
            "people labelled, less than label.along_least_right. Remedy: correct that rule, or take it out",
            name, rule, 100 * accuracy,
        )  # fmt: skip
    return bool(failed)


def annotate_with_champions(
    opinions: Opinions, champions: dict[str, Bundle], features: FeatureStore, options: ChampionOptions
) -> tuple[pd.DataFrame, Opinions]:
    """Let the served models label the clips that they have not learned from."""
    if not options.enabled:
        return table([], ANNOTATIONS), opinions

    clips_of = opinions.single_clips
    said, ineligible = annotate_by_champions(clips_of, champions, features, opinions.active, options.price)
    return said, opinions.heard(said, ineligible)


def annotate_with_zero_shot(
    opinions: Opinions, features: FeatureStore, options: ZeroShotSourceOptions, extractors: FeatureOptions
) -> tuple[pd.DataFrame, Opinions]:
    """Let an image-text model label clips by the names and descriptions of classes."""
    if not options.enabled:
        return table([], ANNOTATIONS), opinions

    clips_of = opinions.single_clips
    said, ineligible = annotate_by_zero_shot(clips_of, features, extractors, opinions.active, options, options.price)
    return said, opinions.heard(said, ineligible)


def gather_llm_background(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: ResolvedCapabilities,
    people: PeopleOptions,
    options: LlmOptions,
) -> dict[str, Background]:
    """Gather what people's labels, but those of calibration clips, tell the language model: priors and examples."""
    known = prior_knowledge(annotations, calibration)
    found = {}
    for name, capability in recipes.labelled_capabilities(resolved.active, options).items():
        task, pool = recipes.task_of(name, capability, options), Pool()
        if recipes.may_show_examples(options):
            pool = training_pool(people_captions(clips, known, name, capability, people), task)
        found[name] = Background(task, class_priors(clips, known, name, capability), pool)
    return found


def choose_llm_clips(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    calibration: pd.DataFrame,
    resolved: ResolvedCapabilities,
    label_recipes: dict[str, Recipe],
    requests: list[LabelRequest],
    options: LlmOptions,
) -> tuple[dict[str, ClipsToAsk], pd.DataFrame]:
    """Choose for each capability the clips that the language model is asked about, calibration clips before all others.

    Clips that are here since rules answer about them are left to these. Besides, give those that are left out beyond
    the limit.
    """
    clips = rows_where(clips, ~clips["clip_id"].isin(taken_along(clips, requests)))
    chosen, beyond = {}, [all_eligible()]
    for name, recipe in label_recipes.items():
        mine = resolved.clips_of(name, clips)
        labelled = hide_calibration(on_originals(annotations, originals(mine)), calibration)
        waiting = askable(without_copies(mine), labelled, name, recipe)
        first = frozenset(calibration.loc[calibration["capability"] == name, "clip_id"])
        chosen[name] = ClipsToAsk(recipe, choose_clips(waiting, name, options.max_clips, first))
        rest = waiting.loc[~waiting.index.isin(chosen[name].clips.index), "clip_id"]
        beyond.append(ineligible_clips(name, {Ineligible.LIMIT: rest}))
    return chosen, below(beyond)


def read_screen_texts(
    chosen: dict[str, ClipsToAsk],
    store: FeatureStore,
    earlier: dict[str, str],
    options: LlmOptions,
    compute: ComputeOptions,
) -> Iterator[FeatureChunk]:
    """Read the text on screen of the chosen clips, where a prompt names it and it is not known yet."""
    if wanted := [one.clips for one in chosen.values() if "screen_text" in one.recipe.required]:
        yield from read_missing_screens(pd.concat(wanted), store, earlier, options, mapper_of(compute))


def plan_llm_questions(
    chosen: dict[str, ClipsToAsk],
    backgrounds: dict[str, Background],
    screens: FeatureStore,
    features: FeatureStore,
    options: LlmOptions,
    extractors: FeatureOptions,
) -> list[Inquiry]:
    """Write the questions to the language model about the chosen clips."""
    extracted = Extracted.of(screens, features, build_all(extractors).values())
    return plan_inquiries(chosen, backgrounds, extracted, options)


def spare_llm_questions(
    inquiries: list[Inquiry],
    known: dict[str, Answer],
    opinions: Opinions,
    ineligible: pd.DataFrame,
    tests: list[CertificationTest],
    options: LlmOptions,
) -> tuple[list[Inquiry], Opinions]:
    """Leave out the questions about clips whose label sources before the language model have certified already.

    This is a stage of the cascade: another language model, dearer than this one, would be another such node behind
    `annotate_with_llm`, with its own options and the opinions that this one's answers were added to.
    """
    versions = {one.capability: one.version() for one in inquiries}
    parts = llm_versions(opinions.clips, opinions.known, opinions.active, options)
    awaiting = opinions.awaiting(versions, options.client.chosen.model, parts, ineligible)
    certified = certified_unasked(awaiting, tests, options.client.chosen.model)
    return spare(inquiries, certified, known), awaiting


def ask_llm(inquiries: list[Inquiry], known: dict[str, Answer], compute: ComputeOptions) -> Iterator[list[Call]]:
    """Get the answers that are not stored yet, a few at a time, of one model after the other."""
    yield []
    for name in ("calls", "cache_hits", "tokens", "unanswered"):
        count(f"llm_{name}", 0)
    for model, group in groupby(inquiries, key=lambda one: one.model):
        mine = list(group)
        questions = [question for one in mine for question in one.questions]
        for calls in ask_model(questions, known, model.client, mapper_of(compute)):
            yield with_purposes(calls, mine)


def certify_labels(
    opinions: Opinions,
    said: pd.DataFrame,
    inquiries: list[Inquiry],
    answers: dict[str, Answer],
    tests: list[CertificationTest],
    options: LlmOptions,
) -> tuple[Opinions, list[CertificationTest], dict[str, Guarantee]]:
    """Decide which labels keep the guarantee, once the language model has answered.

    Returns:
        What everybody says, new tests for the account, and what holds and why.
    """
    far = asked(inquiries, answers)
    everybody = opinions.answered(said, options.client.chosen.model, far)
    made, guarantee = certify_capabilities(everybody, tests)
    for found in guarantee.values():
        _log.info(found.message)
    return everybody, made, guarantee


def aggregate_labels(opinions: Opinions, guarantee: dict[str, Guarantee], people: PeopleOptions) -> pd.DataFrame:
    """Add all annotations up to labels and say what they cost."""
    labels = aggregate(opinions, guarantee, people)
    for line in bill(labels, opinions):
        _log.info(line)
    return labels


def write_ledger(
    opinions: Opinions,
    apart: pd.DataFrame,
    people_batches: list[BatchOpened | BatchDecided],
    people_annotations: list[PersonAnswer],
    payments: list[Payment],
    ledger: pd.DataFrame,
) -> tuple[pd.DataFrame, Money]:
    """Enter annotations, those set aside too, people's answers used or not, and calls of language models.

    Only what is not in the ledger yet is entered.

    Returns:
        The new entries, and the table of all that was ever paid.
    """
    answers = paid_answers(people_batches, people_annotations)
    said = below([opinions.annotations, apart]) if len(apart) else opinions.annotations
    known, now = known_keys(ledger), datetime.now(UTC)
    entries = new_entries(said, answers, opinions.clips, payments, known, now)
    count("ledger_entries_added", len(entries))
    unused = unused_batches(review_batches(people_batches, people_annotations))
    money = money_table(below([ledger, entries]), unused, said)
    for line in money_messages(money):
        _log.info(line)
    return entries, money


def summarise_labels(
    opinions: Opinions,
    labels: pd.DataFrame,
    money: Money,
    guarantee: dict[str, Guarantee],
    people: PeopleOptions,
) -> dict[str, Any]:
    """Say what labels cost by source, what of it is not used, and how far sources agree."""
    summary = summarise(opinions, labels, money, guarantee, people)
    for line in cost_messages(summary, money):
        _log.info(line)
    return summary

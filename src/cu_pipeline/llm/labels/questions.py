"""What a language model is asked about clips, an inquiry for each capability, and its answers as annotations."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import as_json, decide
from cu_pipeline.core.hashing import json_sha256, unit_interval
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.llm.clients.call_log import Call, Purpose
from cu_pipeline.llm.clients.dispatch import LanguageModel
from cu_pipeline.llm.clients.protocol import Answer, ModelQuestion
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.recipes import Background
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.interpret import interpret
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.inputs import (
    Extracted,
    clip_inputs,
    extractor_fingerprints,
    may_be_known,
    says_something,
)
from cu_pipeline.llm.prompts.prompt import Prompt

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClipsToAsk:
    """The clips that a language model is asked about for one capability.

    Attributes:
        recipe: prompt and method.
        clips: rows of the table of clips.
    """

    recipe: Recipe
    clips: pd.DataFrame


@dataclass(frozen=True)
class Inquiry:
    """What one language model is asked about the clips of one capability.

    Attributes:
        capability: its name.
        clip_ids: of the clips asked about.
        plan: the questions, one a clip.
        model: the annotator.
        beside: hash of what decides the questions beside the recipe: extractors, nearest examples, descriptions; ""
            for nothing.
        spared: number of clips not asked about, since their label is certain without.
    """

    capability: str
    clip_ids: tuple[str, ...]
    plan: Plan
    model: LanguageModel
    beside: str = ""
    spared: int = 0

    @property
    def questions(self) -> tuple[ModelQuestion, ...]:
        """All questions, the content-free ones first."""
        return self.plan.everything

    @property
    def clips(self) -> dict[str, ModelQuestion]:
        """Clip id -> the question about it."""
        return dict(zip(self.clip_ids, self.plan.questions, strict=True))

    @cached_property
    def keys(self) -> dict[str, str]:
        """Clip id -> key of the answer about it."""
        return {clip: question.key(self.model.identity) for clip, question in self.clips.items()}

    def version(self, identity: str = "") -> str:
        """Name what decides the answers: the recipe and the model, or another one's `identity`."""
        beside = self.beside and f"+{self.beside}"
        return f"prompt@{self.plan.recipe.version}{beside} {identity or self.model.identity}"


def plan_inquiries(
    chosen: Mapping[str, ClipsToAsk],
    backgrounds: Mapping[str, Background],
    extracted: Extracted,
    options: LlmOptions,
) -> list[Inquiry]:
    """Write the questions about the chosen clips. A clip of which nothing is known is not asked about.

    Args:
        chosen: by capability.
        backgrounds: what is asked, and labelled training captions, by capability.
        extracted: what extractors found in clips.
        options: which model is asked, and how inputs are found.
    """
    inquiries = []
    for name, asked in chosen.items():
        recipe, background = asked.recipe, backgrounds[name]
        inputs = clip_inputs(asked.clips, recipe.required, extracted, options)
        known = {clip: one for clip, one in zip(asked.clips["clip_id"], inputs, strict=True) if says_something(one)}
        if not known:
            continue
        pool = background.pool if recipe.how.examples == "nearest" else Pool()
        beside = [
            *extractor_fingerprints(recipe.required, extracted, options),
            *(one.model_dump() for one in pool.examples),
            *_descriptions(recipe, background.task.capability),
        ]
        inquiries.append(
            Inquiry(
                name,
                tuple(known),
                plan(recipe, background.task, list(known.values()), pool),
                LanguageModel.of(options.client),
                json_sha256(beside)[:8] if beside else "",
            )
        )
    return inquiries


def _descriptions(recipe: Recipe, capability: Capability) -> list[object]:
    """List the descriptions that a recipe's prompt names and that there are."""
    named = Prompt(recipe.template).names & {"description", "class_descriptions"}
    return [value for name in sorted(named) if (value := getattr(capability, name))]


def askable(clips: pd.DataFrame, annotations: pd.DataFrame, name: str, recipe: Recipe) -> pd.DataFrame:
    """Choose the clips that could be asked about: no person has labelled them, and something may be known of them.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        name: of the capability.
        recipe: how it is labelled.

    Returns:
        Rows of `clips`, in their order.
    """
    seen = annotations[
        (annotations["capability"] == name)
        & (annotations["kind"] == AnnotatorKind.HUMAN)
        & (annotations["label"] != "")
    ]
    return clips[~clips["clip_id"].isin(seen["clip_id"]) & may_be_known(clips, recipe.required)]


def choose_clips(waiting: pd.DataFrame, name: str, limit: int, first: Collection[str] = ()) -> pd.DataFrame:
    """Choose the clips to ask about.

    Args:
        waiting: rows of the table of clips, as `askable` gives them.
        name: of the capability.
        limit: clips, at most; beyond it, chance by clip id decides.
        first: ids of clips that are chosen before others: where machines are tested on them.

    Returns:
        Rows of `waiting`, in their order.
    """
    if len(waiting) <= limit:
        return waiting
    _log.warning(
        "%s: %d clips wait for a label that a language model could give; it labels %d of them "
        "(parameter label.llm.max_clips), %d stay without",
        name,
        len(waiting),
        limit,
        len(waiting) - limit,
    )
    chances = np.fromiter(map(unit_interval, waiting["clip_id"]), np.float64, len(waiting))
    order = np.lexsort((chances, ~waiting["clip_id"].isin(list(first)).to_numpy(dtype=bool)))
    return waiting.iloc[np.sort(order[:limit])]


def with_purposes(calls: Iterable[Call], inquiries: Sequence[Inquiry]) -> list[Call]:
    """Write on calls for which label they were made and what they cost; of equal questions the first counts."""
    found: dict[str, tuple[Inquiry, str]] = {}
    for one in inquiries:
        clips = {key: clip for clip, key in reversed(one.keys.items())}
        for question in one.questions:
            key = question.key(one.model.identity)
            found.setdefault(key, (one, clips.get(key, "")))
    return [replace(call, purpose=_purpose(call, *found[call.key])) for call in calls]


def _purpose(call: Call, inquiry: Inquiry, clip_id: str) -> Purpose:
    usd = inquiry.model.client.chosen.price(call.answer.tokens, call.answer.output_tokens)
    return Purpose(inquiry.capability, inquiry.model.name, inquiry.version(), clip_id, round(usd, 9))


def annotate(
    inquiries: Sequence[Inquiry], known: Mapping[str, Answer], backgrounds: Mapping[str, Background]
) -> pd.DataFrame:
    """Turn language models' answers into annotations.

    A clip whose question got no answer gets no annotation. What was paid for it and for the content-free
    questions is shared evenly by the annotated clips, so that the prices add up to all that was paid.

    Args:
        inquiries: what was asked.
        known: answers by key.
        backgrounds: how common each class is, by capability.

    Returns:
        A table with the columns of `records.ANNOTATIONS`.
    """
    rows = [row for one in inquiries for row in _rows(one, known, backgrounds[one.capability])]
    return table(rows, ANNOTATIONS)


def _rows(inquiry: Inquiry, known: Mapping[str, Answer], background: Background) -> list[dict[str, object]]:
    capability, model = background.task.capability, inquiry.model
    said = interpret(inquiry.plan, known, model.identity, background.priors)
    answered = [clip for clip, is_answered in zip(inquiry.clip_ids, said.answered, strict=True) if is_answered]
    if missing := len(inquiry.clip_ids) - len(answered):
        _log.warning(
            "%s: %d of %d clips got no usable answer of the language model (%d named no class) and no annotation by it",
            inquiry.capability,
            missing,
            len(inquiry.clip_ids),
            said.unparsed,
        )
    if not answered:
        return []
    probabilities = said.probabilities[said.answered]
    decided = decide(probabilities, capability, clip_ids=answered)
    return [
        {
            "clip_id": clip_id,
            "capability": inquiry.capability,
            "annotator": model.name,
            "kind": AnnotatorKind.LLM.value,
            "label": decided.labels[row],
            "probability": round(float(decided.probability[row]), 6),
            "probabilities": as_json(probabilities[row], capability.classes),
            "price": price,
            "version": inquiry.version(),
            "draw": "",
        }
        for row, (clip_id, price) in enumerate(_prices(inquiry, answered, known).items())
    ]


def _prices(inquiry: Inquiry, answered: Sequence[str], known: Mapping[str, Answer]) -> dict[str, float]:
    """Split what was paid over the annotated clips, in US dollars: each answer's own price and an even share."""
    prices = inquiry.model.client.chosen
    paid = {question.key(inquiry.model.identity) for question in inquiry.questions} & set(known)
    total = sum(prices.price(known[key].tokens, known[key].output_tokens) for key in sorted(paid))
    replies = {clip: known[inquiry.keys[clip]] for clip in answered}
    own = {clip: prices.price(reply.tokens, reply.output_tokens) for clip, reply in replies.items()}
    share = (total - sum(own.values())) / len(own)
    return {clip: round(price + share, 9) for clip, price in own.items()}

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import json_sha256, unit_interval
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.llm.clients.protocol import ModelQuestion
from cu_pipeline.llm.labels.recipes import task_of
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.inputs import Extracted, could_be_told, inputs_for, says_something, sources_of
from cu_pipeline.llm.prompts.prompt import Prompt

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inquiry:
    """What a language model is asked about the clips of one capability.

    Attributes:
        capability: its name.
        clip_ids: of the clips asked about.
        plan: the questions, one a clip.
        beside: hash of what decides the questions beside the recipe: extractors, nearest examples, descriptions; ""
            for nothing.
        spared: number of clips not asked about, since their label is certain without.
    """

    capability: str
    clip_ids: tuple[str, ...]
    plan: Plan
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

    def version(self, identity: str) -> str:
        """Give the version of the answers that the model `identity` gives."""
        return f"prompt@{self.plan.recipe.version}{self.beside and f'+{self.beside}'} {identity}"


def plan_inquiries(
    chosen: Mapping[str, pd.DataFrame],
    capabilities: Mapping[str, Capability],
    recipes: Mapping[str, Recipe],
    pool_of: Callable[[str], Pool],
    extracted: Extracted,
    options: LlmOptions,
) -> list[Inquiry]:
    """Write the questions about the chosen clips. A clip of which nothing is known is not asked about.

    Args:
        chosen: capability -> rows of the table of clips, as `choose_clips` gives them.
        capabilities: the active ones.
        recipes: prompt and method of each capability that is labelled.
        pool_of: gives a capability's labelled training captions.
        extracted: what extractors found in clips.
        options: cut, calibration and what prompts are told.
    """
    inquiries = []
    for name, recipe in recipes.items():
        inputs = inputs_for(chosen[name], recipe, extracted, options)
        told = dict(zip(chosen[name]["clip_id"], inputs, strict=True))
        known = {clip: one for clip, one in told.items() if says_something(one)}
        if not known:
            continue
        pool = pool_of(name) if recipe.how.examples == "nearest" else Pool()
        task = task_of(name, capabilities[name], options)
        shown = [one.model_dump() for one in pool.examples]
        beside = [*sources_of(recipe, extracted, options), *shown, *_descriptions(recipe, capabilities[name])]
        planned = plan(recipe, task, list(known.values()), pool)
        inquiries.append(Inquiry(name, tuple(known), planned, json_sha256(beside)[:8] if beside else ""))
    return inquiries


def _descriptions(recipe: Recipe, capability: Capability) -> list[object]:
    """Give the descriptions that a recipe's prompt names and that there are."""
    named = Prompt(recipe.template).names & {"description", "class_descriptions"}
    return [value for name in sorted(named) if (value := getattr(capability, name))]


def askable(clips: pd.DataFrame, annotations: pd.DataFrame, name: str, recipe: Recipe) -> pd.DataFrame:
    """Give the clips that could be asked about: no person has labelled them, and the model could be told something.

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
    return clips[~clips["clip_id"].isin(seen["clip_id"]) & could_be_told(clips, recipe)]


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
    order = sorted(waiting["clip_id"], key=lambda clip: (clip not in first, unit_interval(clip)))
    return waiting[waiting["clip_id"].isin(order[:limit])]

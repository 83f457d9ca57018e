import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.labeling.recipes import task_of
from cu_pipeline.prompting.few_shot import Pool
from cu_pipeline.prompting.plan import Caption, Plan, plan
from cu_pipeline.prompting.question import AnyQuestion
from cu_pipeline.prompting.recipe import Recipe

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inquiry:
    """What a language model is asked about the clips of one capability.

    Attributes:
        capability: its name.
        clip_ids: of the clips asked about.
        plan: the questions, one a clip.
        spared: number of clips not asked about, since their label is certain without.
    """

    capability: str
    clip_ids: tuple[str, ...]
    plan: Plan
    spared: int = 0

    @property
    def questions(self) -> tuple[AnyQuestion, ...]:
        """All questions, the content-free ones first."""
        return self.plan.everything

    @property
    def clips(self) -> dict[str, AnyQuestion]:
        """Clip id -> the question about it."""
        return dict(zip(self.clip_ids, self.plan.questions, strict=True))


def plan_inquiries(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    recipes: Mapping[str, Recipe],
    pool_of: Callable[[str], Pool],
    options: LlmOptions,
) -> list[Inquiry]:
    """Decide what to ask about the clips that no person has labelled.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        capabilities: the active ones.
        recipes: prompt and method of each capability that is labelled.
        pool_of: gives a capability's labelled training captions.
        options: budget, cut and calibration.
    """
    text = clips.set_index("clip_id")["text"]
    lang = dict(zip(clips["clip_id"], clips["lang"].fillna(""), strict=True))
    inquiries = []
    for name, recipe in recipes.items():
        chosen = _chosen(text, annotations, name, options.max_clips)
        if chosen.empty:
            continue
        captions = [Caption(caption, lang[clip]) for clip, caption in chosen.items()]
        pool = pool_of(name) if recipe.how.examples == "nearest" else Pool()
        task = task_of(name, capabilities[name], options)
        inquiries.append(Inquiry(name, tuple(map(str, chosen.index)), plan(recipe, task, captions, pool)))
    return inquiries


def _chosen(text: "pd.Series[str]", annotations: pd.DataFrame, name: str, limit: int) -> "pd.Series[str]":
    """Give the captions to ask about, in the clips' order; beyond the limit, chance by clip id decides."""
    seen = annotations[
        (annotations["capability"] == name)
        & (annotations["kind"] == AnnotatorKind.HUMAN)
        & (annotations["label"] != "")
    ]
    waiting = text[~text.index.isin(seen["clip_id"]) & (text.str.strip() != "")]
    if len(waiting) <= limit:
        return waiting
    _log.warning(
        "%s: %d clips have a caption but no label; the language model labels %d of them "
        "(parameter label.llm.max_clips), %d stay without",
        name,
        len(waiting),
        limit,
        len(waiting) - limit,
    )
    order = sorted(waiting.index, key=unit_interval)
    return waiting[waiting.index.isin(order[:limit])]

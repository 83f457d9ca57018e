import logging
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.prompting.prompt import Prompt, as_data
from cu_pipeline.prompting.question import Question

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inquiry:
    """What a language model is asked about the clips of one capability.

    The answers are the capability's classes; for a multi-label capability the contrast comes last.

    Attributes:
        capability: its name.
        prompt_version: of the template.
        content_free: the question about captions that say nothing.
        clips: clip id -> the question about its caption.
    """

    capability: str
    prompt_version: str
    content_free: tuple[Question, ...]
    clips: Mapping[str, Question]

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions, the content-free ones first."""
        return (*self.content_free, *self.clips.values())


def plan_inquiries(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    prompt: Prompt,
    options: LlmOptions,
) -> list[Inquiry]:
    """Decide what to ask about the clips that no person has labelled.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        capabilities: the active ones.
        prompt: may name `text`, `name`, `description` and `classes`.
        options: budget, cut and calibration.
    """
    if not options.enabled:
        return []
    text = clips.set_index("clip_id")["text"]
    asked = [name for name, capability in capabilities.items() if capability.kind in options.kinds]
    chosen = {name: _chosen(text, annotations, name, options.max_clips) for name in asked}
    return [
        _inquiry(name, capabilities[name], prompt, captions, options)
        for name, captions in chosen.items()
        if not captions.empty
    ]


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


def _inquiry(
    name: str, capability: Capability, prompt: Prompt, captions: "pd.Series[str]", options: LlmOptions
) -> Inquiry:
    classes = [spoken(one) for one in capability.classes]
    context = {"name": spoken(name), "description": capability.description or spoken(name), "classes": classes}
    contrast = [options.contrast] if capability.kind is Kind.MULTI else []
    answers = tuple(f" {one}" for one in classes + contrast)
    shared = prompt.shared(**context)

    hidden = classes if options.hide_class_names else []

    def ask(caption: str) -> Question:
        data = as_data(caption, options.max_characters, hidden)
        return Question(prompt.render(data, **context), answers, shared)

    return Inquiry(
        capability=name,
        prompt_version=prompt.version,
        content_free=tuple(ask(caption) for caption in options.content_free),
        clips={str(clip): ask(caption) for clip, caption in captions.items()},
    )


def spoken(name: str) -> str:
    """Give a class's name as people write it.

    >>> spoken("science_and_technology")
    'science and technology'
    """
    return " ".join(name.replace("_", " ").split())

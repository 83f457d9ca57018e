import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cu_pipeline.core.counters import count
from cu_pipeline.labeling.inquiry import Inquiry
from cu_pipeline.prompting.client import Answer, Unanswered
from cu_pipeline.prompting.question import AnyQuestion

MOST_UNANSWERED: Final = 0.01
"""Share of questions without an answer above which the model counts as out of reach, not as silent on a few clips."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """How far a language model was asked about a capability's clips.

    Attributes:
        clips: asked about.
        unanswered: of these; whoever answered something that names no class has answered.
        spared: clips not asked about, since their label is certain without.
    """

    clips: int = 0
    unanswered: int = 0
    spared: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether so few questions are open that they may be taken for ones which are never answered."""
        return self.unanswered <= MOST_UNANSWERED * self.clips


def asked(inquiries: Sequence[Inquiry], known: Mapping[str, Answer], identity: str) -> dict[str, Asked]:
    """Say by capability how far a language model was asked.

    Args:
        inquiries: what was asked.
        known: answers by key.
        identity: of the model.
    """
    return {
        one.capability: Asked(
            len(one.clip_ids), sum(_is_open(question, known, identity) for question in one.clips.values()), one.spared
        )
        for one in inquiries
    }


def spare(
    inquiries: Sequence[Inquiry], certified: Mapping[str, Collection[str]], known: Mapping[str, Answer], identity: str
) -> list[Inquiry]:
    """Leave out the questions that need not be asked: about clips whose label is certified without the answer.

    Answers that are known stay in use, so that no opinion on a clip comes and goes. With a method that calibrates by
    the captions at hand every answer hangs on all others, so nothing is left out. Counts `llm_clips_spared`.

    Args:
        inquiries: about all clips.
        certified: capability -> clips whose label is certified.
        known: earlier answers by key.
        identity: of the model.
    """
    count("llm_clips_spared", 0)
    return [_spare(inquiry, certified.get(inquiry.capability, ()), known, identity) for inquiry in inquiries]


def _spare(inquiry: Inquiry, certified: Collection[str], known: Mapping[str, Answer], identity: str) -> Inquiry:
    recipe = inquiry.plan.recipe
    if recipe.how.calibration == "batch" and not recipe.bias:
        return inquiry
    spared = {
        clip for clip, question in inquiry.clips.items() if clip in certified and _is_open(question, known, identity)
    }
    count("llm_clips_spared", len(spared))
    if spared:
        _log.info(
            "%s: %d clips not asked of the language model, since rules or the served model have a certified label",
            inquiry.capability,
            len(spared),
        )
    kept = {clip: question for clip, question in inquiry.clips.items() if clip not in spared}
    plan = replace(inquiry.plan, questions=tuple(kept.values()))
    return replace(inquiry, clip_ids=tuple(kept), plan=plan, spared=len(spared))


def _is_open(question: AnyQuestion, known: Mapping[str, Answer], identity: str) -> bool:
    return isinstance(known.get(question.key(identity), Unanswered("")), Unanswered)

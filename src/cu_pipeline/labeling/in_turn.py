import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from cu_pipeline.core.counters import count
from cu_pipeline.labeling.inquiry import Inquiry
from cu_pipeline.prompting.client import Answer, Unanswered

_log = logging.getLogger(__name__)


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
        clip
        for clip, question in inquiry.clips.items()
        if clip in certified and isinstance(known.get(question.key(identity), Unanswered("")), Unanswered)
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

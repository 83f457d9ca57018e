"""The cascade: a language model is not asked what sources before it have answered for certain."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.counters import count
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.guarantee.alpha_spending import standing
from cu_pipeline.labeling.guarantee.certification import accepted_by, certification_of
from cu_pipeline.labeling.guarantee.opinions import Asked, Opinions
from cu_pipeline.labeling.guarantee.results import SUREST, CertificationResult, CertificationTest
from cu_pipeline.labeling.priors import class_priors
from cu_pipeline.labeling.sources.source import Source
from cu_pipeline.llm.clients.protocol import Answer, Unanswered
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.questions import Inquiry
from cu_pipeline.llm.prompts.prompt import is_unspaced

_log = logging.getLogger(__name__)


def accepted_before(
    sources: Sequence[Source], results: Sequence[CertificationResult], clips: int, source: str
) -> NDArray[np.bool_]:
    """Say whose label is certified whatever a source would say, (clips,).

    That is so where another one accepts that comes before it, or where it accepts nothing and another one does. Of the
    labels that belong to the surest source none is: which one that is shows only when all have answered.

    Args:
        sources: those that have answered; the source itself may be among them or not.
        results: what is certified.
        clips: number of them.
        source: name of the one that would be asked.
    """
    if any(SUREST in result.thresholds for result in results):
        return np.zeros(clips, dtype=bool)
    return accepted_by(sources, [result.before(source) for result in results], clips) >= 0


def certified_unasked(
    opinions: Opinions, earlier: Sequence[CertificationTest], annotator: str
) -> dict[str, frozenset[str]]:
    """Find the clips about which a language model need not be asked.

    There are none while a test is due: its thresholds must not depend on what came out before, as the set of clips
    that a source has answered would if some were left out. Calibration clips are never among them.

    Args:
        opinions: what sources before it say; its answers, and those of the ones behind it, are awaited.
        earlier: tests that were made before, in order.
        annotator: the language model.

    Returns:
        Capability -> ids of clips.
    """
    found = {}
    for name in opinions.active if opinions.guarantee.enabled else ():
        question = certification_of(name, opinions)
        now = standing(question.wanted, [test for test in earlier if test.capability == name])
        if now.due is None and now.holds.certified:
            source = question.names.get((AnnotatorKind.LLM.value, annotator), AnnotatorKind.LLM.value)
            certain = accepted_before(question.answers.pool, now.holds.results, len(question.pool), source)
            found[name] = frozenset(question.pool[certain])
    return found


def spare(
    inquiries: Sequence[Inquiry], certified: Mapping[str, Collection[str]], known: Mapping[str, Answer]
) -> list[Inquiry]:
    """Leave out the questions that need not be asked: about clips whose label is certified without the answer.

    Answers that are known stay in use, so that no opinion on a clip comes and goes. With a method that calibrates by
    the captions at hand every answer hangs on all others, so nothing is left out. Counts `llm_clips_spared`.

    Args:
        inquiries: about all clips.
        certified: capability -> clips whose label is certified.
        known: earlier answers by key.
    """
    count("llm_clips_spared", 0)
    return [_spare(inquiry, certified.get(inquiry.capability, ()), known) for inquiry in inquiries]


def asked(inquiries: Sequence[Inquiry], known: Mapping[str, Answer]) -> dict[str, Asked]:
    """Say by capability how far a language model was asked.

    Args:
        inquiries: what was asked.
        known: answers by key.
    """
    far = {}
    for one in inquiries:
        unanswered = sum(_is_open(key, known) for key in one.keys.values())
        far[one.capability] = Asked(len(one.clip_ids), unanswered, one.spared)
    return far


def llm_versions(
    clips: pd.DataFrame, known: pd.DataFrame, active: Mapping[str, Capability], options: LlmOptions
) -> dict[str, list[Any]]:
    """Collect by capability what decides a language model's answers besides model and prompt.

    Args:
        clips: the table of usable clips.
        known: annotations that it may learn from.
        active: the active capabilities.
        options: of the model.
    """
    if not options.enabled:
        return {name: [] for name in active}
    how = options.model_dump(mode="json", exclude={"client", "max_clips"})
    return {
        name: [how, class_priors(clips, known, name, one).tolist(), *_reading(one.classes)]
        for name, one in active.items()
    }


def _reading(classes: Sequence[str]) -> list[str]:
    """Name the way in which classes are found in texts, where it is not the first there was."""
    return ["within words"] if any(is_unspaced(name) for name in classes) else []


def _spare(inquiry: Inquiry, certified: Collection[str], known: Mapping[str, Answer]) -> Inquiry:
    recipe = inquiry.plan.recipe
    if recipe.how.calibration == "batch" and not recipe.bias:
        return inquiry
    spared = {clip for clip, key in inquiry.keys.items() if clip in certified and _is_open(key, known)}
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


def _is_open(key: str, known: Mapping[str, Answer]) -> bool:
    return isinstance(known.get(key, Unanswered("")), Unanswered)

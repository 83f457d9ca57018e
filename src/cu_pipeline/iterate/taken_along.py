"""Clips that are learned from and that nobody is asked about: rules of the parameters answer about them for nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, join_label, split_label
from cu_pipeline.core.caption_text import clean_caption, clean_name
from cu_pipeline.core.records import CLIPS, blank, table
from cu_pipeline.core.scope import Scope, request_facts
from cu_pipeline.ingest.capture_store import Captured
from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.iterate.candidates import Content, Place, content_of
from cu_pipeline.iterate.choose import LEARNABLE
from cu_pipeline.iterate.options import ChooseOptions
from cu_pipeline.labeling.sources.rules import AnyRule, Rule, answers_of, rules_in_use


@dataclass(frozen=True)
class RulesOfThumb:
    """What rules say of clips before these are in the data: they go by captions, creators and languages alone.

    Attributes:
        rules: of the parameters; functions are left out, since they may read what is not known yet.
        active: capabilities.
        feeds: of the clips in the data.
    """

    rules: Sequence[Rule]
    active: Mapping[str, Capability]
    feeds: Collection[str]

    @classmethod
    def of(cls, rules: Sequence[AnyRule], active: Mapping[str, Capability], clips: pd.DataFrame) -> "RulesOfThumb":
        """Take the rules that a project uses.

        Args:
            rules: of the parameters.
            active: capabilities.
            clips: the table of usable clips.
        """
        feeds = clips["feed"].unique()
        soon = pd.DataFrame({"feed": [*feeds, SERVED]})  # the first iteration brings the first clips of that feed
        mine = [one for one in rules_in_use(rules, soon, active) if one.capability in active]
        return cls(mine, active, feeds)

    def answered(self, captured: Sequence[Captured]) -> NDArray[np.float64]:
        """Give for each clip the share of capabilities about which rules answer, and agree: (n), 0 to 1.

        A capability that does not apply to a clip, as far as that is known, has no answer.
        """
        rows = [
            {
                "clip_id": one.content,
                "text": clean_caption(one.caption),
                "creator": clean_name(one.facts.get("creator", "")),
                "lang": one.facts.get("lang", ""),
            }
            for one in captured
        ]
        clips = table([{**blank(CLIPS), "feed": SERVED, **one} for one in rows], CLIPS)
        said: dict[str, list[pd.Series[str]]] = {}
        for rule in self.rules:
            kind, answers = self.active[rule.capability].kind, answers_of(rule, clips, self.feeds)
            written = {one: one and join_label(split_label(one, kind), kind) for one in answers.unique()}
            said.setdefault(rule.capability, []).append(answers.map(written))
        told = [
            _agreed(np.array(answers)) & _applies(self.active[name].scope, captured) for name, answers in said.items()
        ]
        found: NDArray[np.float64] = np.sum(told, axis=0) / len(self.active) if told else np.zeros(len(rows))
        return found


def take_along(
    captured: Sequence[Captured],
    answered: Mapping[str, float],
    place: Callable[[Captured], Place],
    known: Collection[Content],
    apart: Collection[str],
    options: ChooseOptions,
) -> list[Captured]:
    """Choose clips to learn from that nobody is asked about, the newest first.

    Args:
        captured: each content once, oldest first.
        answered: content -> share of capabilities about which rules answer.
        place: tells where a clip will be: test clips are left out.
        known: hashes of the clips of all feeds.
        apart: contents that are left out: people are asked about them, or they cannot come into the data.
        options: how many.
    """
    taken: Counter[str] = Counter()
    chosen: list[Captured] = []
    for one in reversed(captured):
        if len(chosen) >= options.along:
            break
        if answered[one.content] == 0 or one.content in apart or content_of(one) in known:
            continue
        where = place(one)
        if where.split in LEARNABLE and taken[where.unit] < options.per_unit:
            taken[where.unit] += 1
            chosen.append(one)
    return chosen


def _applies(scope: Scope, captured: Sequence[Captured]) -> NDArray[np.bool_]:
    """Whether clips will be inside a scope: (n). A language that nobody told may be found yet, and excludes none."""
    found = np.ones(len(captured), dtype=np.bool_)
    for place, one in enumerate(captured if scope.is_limited else ()):
        told = {"feed": SERVED} | request_facts(
            has_video=one.media is not None, has_text=bool(clean_caption(one.caption))
        )
        told |= {"lang": lang} if (lang := one.facts.get("lang", "")) else {}
        found[place] = not scope.refusal(told)
    return found


def _agreed(answers: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Whether rules answer about a clip, and all the same.

    Args:
        answers: (rules, n), "" where a rule says nothing.
    """
    given = answers != ""
    first = answers[given.argmax(axis=0), np.arange(answers.shape[1])]
    found: NDArray[np.bool_] = given.any(axis=0) & (~given | (answers == first)).all(axis=0)
    return found

"""Asking rules of every kind: which of them a project uses, about which clips, and what they say as annotations."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import NONE, Capability, Kind, join_label, split_label
from cu_pipeline.core.decision import as_json
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.lean import below
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.ingest.served_clips import SERVED
from cu_pipeline.labeling.sources.rules.parameters import RuleOptions


class Rule(Protocol):
    """Anything that answers a capability by looking at a clip's facts."""

    @property
    def name(self) -> str:
        """Of the annotator."""

    @property
    def capability(self) -> str:
        """That it answers."""

    @property
    def probability(self) -> float:
        """How often it is taken to be right."""

    @property
    def version(self) -> str:
        """Equal versions answer alike."""

    def answers(self, clips: pd.DataFrame) -> "pd.Series[str]":
        """Answer for each clip; "" where it says nothing."""


def rules_in_use(rules: Sequence[Rule], clips: pd.DataFrame, capabilities: Mapping[str, Capability]) -> list[Rule]:
    """Leave out rules that were written for a feed where that is not in use or has no clip of their class yet.

    Args:
        rules: in any order.
        clips: the table of usable clips.
        capabilities: the active ones.
    """
    present = set(clips["feed"].unique())

    def may_speak(rule: Rule) -> bool:
        if not isinstance(rule, RuleOptions) or not rule.feeds:
            return True
        capability = capabilities.get(rule.capability)
        return bool(present & set(rule.feeds) and capability and not _foreign(rule, rule.label, capability))

    return [rule for rule in rules if may_speak(rule)]


def answers_of(rule: Rule, clips: pd.DataFrame, feeds: Collection[str]) -> "pd.Series[str]":
    """Ask a rule about clips; one for the project's only feed is asked about what its service saw, too.

    A project with several feeds does not tell which of them its service sees: there a rule has to name `served`. To one
    that does, and to a function, clips are of the feed that they are of.

    Args:
        rule: that is asked.
        clips: with `feed`.
        feeds: all that the project's clips are of.
    """
    others = sorted({*feeds} - {SERVED})
    if isinstance(rule, RuleOptions) and len(others) == 1 and SERVED not in rule.feeds:
        clips = clips.assign(feed=clips["feed"].replace(SERVED, others[0]))
    return rule.answers(clips)


def annotate_by_rules(
    rules: Sequence[Rule],
    clips_of: Callable[[str], pd.DataFrame],
    capabilities: Mapping[str, Capability],
    skipped: Collection[str],
    feeds: Collection[str] = (),
) -> pd.DataFrame:
    """Ask every rule about every clip that its capability applies to.

    Args:
        rules: in any order; their names differ.
        clips_of: finds the clips that a capability applies to.
        capabilities: the active ones.
        skipped: names of those that are not active; their rules are not asked.
        feeds: all that the project's clips are of.

    Returns:
        A table with the columns of `records.ANNOTATIONS`.

    Raises:
        ConfigurationError: a rule's name, capability or label is not usable.
    """
    problems = _problems(rules, {*capabilities, *skipped})
    said = [table([], ANNOTATIONS)]
    scoped = {name: clips_of(name) for name in {rule.capability for rule in rules} & set(capabilities)}
    for rule in rules:
        if rule.capability not in capabilities:
            continue
        capability, clips = capabilities[rule.capability], scoped[rule.capability]
        answers = answers_of(rule, clips, feeds)
        given = answers[answers != ""]
        for answer in sorted(given.unique()):
            if problem := _foreign(rule, answer, capability):
                problems.append(problem)
        if not problems:
            said.append(_said(rule, clips.loc[given.index, "clip_id"], given, capability))
    if problems:
        raise ConfigurationError(problems)
    return below(said)


def _said(rule: Rule, clip_ids: "pd.Series[str]", given: "pd.Series[str]", capability: Capability) -> pd.DataFrame:
    told = {answer: _told(answer, rule.probability, capability) for answer in given.unique()}
    answers = {name: given.map({answer: one[name] for answer, one in told.items()}) for name in _TOLD}
    named = {"capability": rule.capability, "annotator": rule.name, "kind": AnnotatorKind.RULE.value}
    facts = {"price": 0.0, "version": rule.version, "draw": ""}
    return table(pd.DataFrame({"clip_id": clip_ids, **answers, **named, **facts}), ANNOTATIONS)


_TOLD: Final = ("label", "probability", "probabilities")


def _told(answer: str, probability: float, capability: Capability) -> dict[str, object]:
    classes = capability.classes
    chosen = np.isin(np.array(classes, dtype=object), split_label(answer, capability.kind))
    single = capability.kind is Kind.SINGLE
    other = (1 - probability) / (len(classes) - 1) if single else 1 - probability
    return {
        "label": join_label(split_label(answer, capability.kind), capability.kind),
        "probability": round(probability if single else probability ** len(classes), 6),
        "probabilities": as_json(np.where(chosen, probability, other), classes),
    }


def _problems(rules: Sequence[Rule], known: Collection[str]) -> list[str]:
    names = [rule.name for rule in rules]
    repeated = sorted({name for name in names if names.count(name) > 1})
    problems = [f"several rules are called {name!r}: give each a name of its own" for name in repeated]
    return problems + [
        f"rule {rule.name!r}: capability {rule.capability!r} is not configured; allowed: {', '.join(sorted(known))}"
        for rule in rules
        if rule.capability not in known
    ]


def _foreign(rule: Rule, answer: str, capability: Capability) -> str:
    unknown = set(split_label(answer, capability.kind)) - set(capability.classes)
    if not unknown:
        return ""
    allowed = [*capability.classes, *([NONE] if capability.kind is Kind.MULTI else [])]
    return (
        f"rule {rule.name!r} answers {answer!r}, which is no class of capability {rule.capability!r}; allowed: "
        f"{', '.join(allowed)}. Correct the rule, or label a clip with that class"
    )

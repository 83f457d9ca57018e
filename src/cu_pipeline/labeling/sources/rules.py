from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import NONE, Capability, Kind, join_label, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.labeling.llm import as_json


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
        """Give the answer for each clip; "" where it says nothing."""


def annotate_by_rules(
    rules: Sequence[Rule], clips: pd.DataFrame, capabilities: Mapping[str, Capability], skipped: Collection[str]
) -> pd.DataFrame:
    """Ask every rule about every clip.

    Args:
        rules: in any order; their names differ.
        clips: rows of the table of clips.
        capabilities: the active ones.
        skipped: names of those that are not active; their rules are not asked.

    Returns:
        A table with the columns of `records.ANNOTATIONS`.

    Raises:
        ConfigurationError: a rule's name, capability or label is not usable.
    """
    problems = _problems(rules, {*capabilities, *skipped})
    rows: list[dict[str, object]] = []
    for rule in rules:
        if rule.capability not in capabilities:
            continue
        capability = capabilities[rule.capability]
        answers = rule.answers(clips)
        given = answers[answers != ""]
        for answer in sorted(set(given)):
            if problem := _foreign(rule, answer, capability):
                problems.append(problem)
        if not problems:
            rows += _rows(rule, clips.loc[given.index, "clip_id"], given, capability)
    if problems:
        raise ConfigurationError(problems)
    return table(rows, ANNOTATIONS)


def _rows(
    rule: Rule, clip_ids: "pd.Series[str]", given: "pd.Series[str]", capability: Capability
) -> list[dict[str, object]]:
    told = {answer: _told(answer, rule.probability, capability) for answer in set(given)}
    return [
        {"clip_id": clip_id, "capability": rule.capability, "annotator": rule.name, "kind": AnnotatorKind.RULE.value}
        | told[answer]
        | {"price": 0.0, "version": rule.version, "draw": ""}
        for clip_id, answer in zip(clip_ids, given, strict=True)
    ]


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

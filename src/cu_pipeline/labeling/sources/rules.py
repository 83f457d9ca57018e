"""Rules: functions and entries of the parameters that label clips by their facts."""

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, Literal, Protocol

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, field_validator

from cu_pipeline.core.capability import NONE, Capability, Kind, join_label, split_label
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.decision import as_json
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.hashing import file_sha256, json_sha256
from cu_pipeline.core.lean import below, in_batches, told_of
from cu_pipeline.core.options import Options
from cu_pipeline.core.records import ANNOTATIONS, AnnotatorKind, table
from cu_pipeline.ingest.served_clips import SERVED

Name = Annotated[str, AfterValidator(clean_name), Field(min_length=1)]
"""Of a creator or of classes, spelt as in the feed's tables."""


class RuleOptions(Options):
    """What rules of every kind have. A rule either names the whole answer for a clip or says nothing.

    Attributes:
        name: of the annotator.
        capability: that it answers.
        label: its answer; classes of a multi-label capability joined by "|", or "none".
        probability: how often it is taken to be right until that is measured.
        feeds: names of the feeds whose clips it is asked about; empty: of all. A rule that was written for a feed is no
            part of a project without that feed, and says nothing there of a class that nobody has used yet.
    """

    name: str = Field(min_length=1)
    capability: str
    label: Name
    probability: float = Field(default=0.8, gt=0, lt=1)
    feeds: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """A hash of the rule: equal rules answer alike."""
        return json_sha256(self.model_dump(exclude=set() if self.feeds else {"feeds"}))[:12]

    def answers(self, clips: pd.DataFrame) -> "pd.Series[str]":
        """Answer for each clip; "" where it says nothing."""
        holds = self._holds(clips)
        if self.feeds:
            holds &= clips["feed"].isin(self.feeds)
        return pd.Series(self.label, index=clips.index).where(holds, "")

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        raise NotImplementedError


class KeywordRule(RuleOptions):
    """Holds where the caption has one of the words, as a whole word and in any case."""

    kind: Literal["keywords"]
    words: tuple[str, ...] = Field(min_length=1)

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        words = "|".join(re.escape(word) for word in self.words)
        return _found_in(clips["text"], re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE))


class RegexRule(RuleOptions):
    """Holds where a regular expression is found in the caption."""

    kind: Literal["regex"]
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from error
        return pattern

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        return _found_in(clips["text"], re.compile(self.pattern))


class DurationRule(RuleOptions):
    """Holds where a clip lasts from `at_least_s` to `at_most_s` seconds."""

    kind: Literal["duration"]
    at_least_s: float = 0.0
    at_most_s: float = float("inf")

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        return clips["duration_s"].between(self.at_least_s, self.at_most_s)


class CreatorRule(RuleOptions):
    """Holds for the clips of some creators."""

    kind: Literal["creators"]
    creators: tuple[Name, ...] = Field(min_length=1)

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        return clips["creator"].isin(self.creators)


AnyRule = Annotated[KeywordRule | RegexRule | DurationRule | CreatorRule, Field(discriminator="kind")]
"""A rule as it stands in the parameters. A new kind is a class here and a name in this union."""

_FORMER_NAMES: Final = ("cu_pipeline.labeling.rules", "cu_pipeline.labeling.rules.function")
"""Under which rules files of earlier versions import `rule`. To edit such a file would cost a certification test."""

Ask = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class FunctionRule:
    """A Python function that labels clips.

    Attributes:
        name: of the annotator: the function's.
        capability: that it answers.
        probability: how often it is taken to be right until that is measured.
        ask: from a row of the table of clips to a label, or to None or "" where it says nothing.
    """

    name: str
    capability: str
    probability: float
    ask: Ask

    @property
    def version(self) -> str:
        """The hash of the file that the function stands in."""
        return file_sha256(Path(inspect.getfile(self.ask)))[:12]

    def answers(self, clips: pd.DataFrame) -> "pd.Series[str]":
        """Answer for each clip; "" where it says nothing.

        Raises:
            ConfigurationError: the function failed.
        """
        batches = in_batches(clips, list(clips.columns))
        answers = [self._answer(row) for batch in batches for row in batch.to_dict("records")]
        return pd.Series(answers, index=clips.index, dtype=object)

    def _answer(self, row: Mapping[Any, Any]) -> str:
        try:
            return clean_name(self.ask(row) or "")
        except Exception as error:
            raise ConfigurationError(
                f"rule {self.name!r} failed on clip {row['clip_id']!r}: {type(error).__name__}: {error}. Correct the "
                f"function in {inspect.getfile(self.ask)}"
            ) from error


def rule(capability: str, *, probability: float = 0.8) -> Callable[[Ask], FunctionRule]:
    """Make a function a source of labels.

    >>> @rule("topic")
    ... def recipes(clip):
    ...     return "cooking" if "recipe" in clip["text"] else None
    >>> recipes.name, recipes.capability
    ('recipes', 'topic')
    """
    if not 0 < probability < 1:
        raise ConfigurationError(f"a rule's probability is between 0 and 1, not {probability!r}")
    return lambda ask: FunctionRule(ask.__name__, capability, probability, ask)


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


def load_rules(path: Path) -> list[FunctionRule]:
    """Load the rules that a Python file defines or imports; none where there is no file.

    Raises:
        ConfigurationError: the file cannot be run.
    """
    if not path.is_file():
        return []
    spec = importlib.util.spec_from_file_location("cu_pipeline_rules", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file: rules stand in a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        with _former_names():
            spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"the rules in {path} cannot be loaded: {type(error).__name__}: {error}") from error
    return [value for value in vars(module).values() if isinstance(value, FunctionRule)]


@contextmanager
def _former_names() -> Iterator[None]:
    """Let a rules file import this module by the names that it had."""
    added = [name for name in _FORMER_NAMES if name not in sys.modules]
    package = ModuleType(_FORMER_NAMES[0])
    package.__path__ = []
    sys.modules.update(dict(zip(_FORMER_NAMES, (package, sys.modules[__name__]), strict=True)))
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def _found_in(texts: "pd.Series[str]", expression: re.Pattern[str]) -> "pd.Series[bool]":
    return pd.Series(told_of(texts, lambda text: expression.search(text) is not None, np.bool_), index=texts.index)


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

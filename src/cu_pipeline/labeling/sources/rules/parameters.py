"""Rules as they stand in the parameters: what a clip's facts must be for a rule to hold."""

import re
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, field_validator

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.lean import told_of
from cu_pipeline.core.options import Options

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


def _found_in(texts: "pd.Series[str]", expression: re.Pattern[str]) -> "pd.Series[bool]":
    return pd.Series(told_of(texts, lambda text: expression.search(text) is not None, np.bool_), index=texts.index)

import re
from typing import Annotated, Final, Literal

import pandas as pd
from pydantic import Field, field_validator

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.options import Options


class RuleOptions(Options):
    """What rules of every kind have. A rule either names the whole answer for a clip or says nothing.

    Attributes:
        name: of the annotator.
        capability: that it answers.
        label: its answer; classes of a multi-label capability joined by "|", or "none".
        probability: how often it is taken to be right until that is measured.
    """

    name: str = Field(min_length=1)
    capability: str
    label: str = Field(min_length=1)
    probability: float = Field(default=0.8, gt=0, lt=1)

    @property
    def version(self) -> str:
        """A hash of the rule: equal rules answer alike."""
        return json_sha256(self.model_dump())[:12]

    def answers(self, clips: pd.DataFrame) -> "pd.Series[str]":
        """Answer for each clip; "" where it says nothing."""
        return pd.Series(self.label, index=clips.index).where(self._holds(clips), "")

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        raise NotImplementedError


class KeywordRule(RuleOptions):
    """Holds where the caption has one of the words, as a whole word and in any case."""

    kind: Literal["keywords"]
    words: tuple[str, ...] = Field(min_length=1)

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        words = "|".join(re.escape(word) for word in self.words)
        return clips["text"].str.contains(rf"(?<!\w)(?:{words})(?!\w)", case=False, regex=True)


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
        expression = re.compile(self.pattern)
        return clips["text"].map(lambda text: expression.search(text) is not None).astype(bool)


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
    creators: tuple[str, ...] = Field(min_length=1)

    def _holds(self, clips: pd.DataFrame) -> "pd.Series[bool]":
        return clips["creator"].isin(self.creators)


AnyRule = Annotated[KeywordRule | RegexRule | DurationRule | CreatorRule, Field(discriminator="kind")]
"""A rule as it stands in the parameters. A new kind is a class here and a name in this union."""

NO_RULES: Final[tuple[AnyRule, ...]] = ()

"""Which clips a capability applies to, decided alike for a table of clips and for one request to the service."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import pandas as pd
from pydantic import AfterValidator, BeforeValidator, Field

from cu_pipeline.core.addresses import is_address, without_query
from cu_pipeline.core.options import Options
from cu_pipeline.core.paths import from_stored, to_stored

UNKNOWN_LANGUAGE: Final = "und"
"""The tag in a scope that means clips whose language is not known."""

METADATA: Final = "metadata."
"""What stands before a key of the metadata where parts of a scope are named."""

_TAG: Final = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")


class Modality(StrEnum):
    """What a clip may have; the values are those of a scope."""

    VIDEO = "video"
    TEXT = "text"


_CONTENT: Final = {Modality.VIDEO: "media_sha256", Modality.TEXT: "text_sha256"}
"""The column that is filled where a clip has it."""


def feed_name(place: str) -> str:
    """Name a feed as tables and scopes do: a path relative to the project if inside it, an address without a query.

    Args:
        place: as in `collect.manifest`.

    >>> feed_name("sample"), feed_name("folder:./clips"), feed_name("https://host/feed.csv?key=1")
    ('sample', 'folder:clips', 'https://host/feed.csv')
    """
    kind, colon, rest = place.strip().partition(":")
    if not colon or rest.startswith("//") or not kind.isidentifier():
        kind, colon, rest = "", "", place.strip()
    if is_address(rest):
        return kind + colon + without_query(rest)
    return kind + colon + (to_stored(from_stored(str(Path(rest).expanduser()))) if rest else "")


def metadata_text(value: object) -> str:
    """Write a value of the metadata as the table of clips does.

    >>> metadata_text(True), metadata_text(2), metadata_text("a")
    ('true', '2', 'a')
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _listed(value: object) -> list[Any]:
    """Take one value for a list of one."""
    return list(value) if isinstance(value, list | tuple) else [value]


def _as_texts(value: object) -> object:
    return [metadata_text(one) for one in _listed(value)]


def _as_tags(value: object) -> object:
    # YAML reads a bare `no`, the tag of Norwegian, as false
    return ["no" if one is False else one for one in _listed(value)]


def _language(tag: str) -> str:
    folded = tag.strip().replace("_", "-").lower()
    if not _TAG.fullmatch(folded):
        raise ValueError(
            f"language {tag!r} is no BCP 47 tag such as de or pt-BR; {UNKNOWN_LANGUAGE} means that it is not known"
        )
    return folded


Feed = Annotated[str, AfterValidator(feed_name)]
Language = Annotated[str, AfterValidator(_language)]


@dataclass(frozen=True)
class Part:
    """One thing that a scope asks of a clip.

    Attributes:
        name: where it stands in the parameters.
        column: of the table of clips that it looks at; `metadata.KEY` for a key of the metadata.
        holds: whether a value of the column is as asked.
        asked: in words.
    """

    name: str
    column: str
    holds: Callable[[str], bool]
    asked: str


class Scope(Options):
    """The clips that a capability applies to: all parts must hold, and one that is left out asks nothing.

    Attributes:
        feeds: any of these, as they are called in `collect.manifest`.
        modalities: all of these: `[video]` has a video, whether it has a caption or not.
        languages: any of these, as BCP 47 tags; `de` means `de-AT` too, `und` a language that is not known.
        metadata: key -> any of these values; "" for a clip without the key.
    """

    feeds: Annotated[tuple[Feed, ...], BeforeValidator(_listed)] = ()
    modalities: Annotated[tuple[Modality, ...], BeforeValidator(_listed)] = ()
    languages: Annotated[tuple[Language, ...], BeforeValidator(_as_tags)] = ()
    metadata: dict[str, Annotated[tuple[str, ...], BeforeValidator(_as_texts)]] = Field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        """Whether it leaves any clip out."""
        return any(True for _ in self.parts())

    def parts(self) -> Iterator[Part]:
        """List what it asks."""
        if self.feeds:
            yield Part("feeds", "feed", self.feeds.__contains__, f"feeds: {', '.join(self.feeds)}")
        for one in self.modalities:
            yield Part("modalities", _CONTENT[one], bool, f"clips with {one.value}")
        if self.languages:
            holds = partial(_has_language, self.languages)
            yield Part("languages", "lang", holds, f"languages: {', '.join(self.languages)}")
        for key, values in self.metadata.items():
            shown = f"{key}: {', '.join(value or 'nothing' for value in values)}"
            yield Part(METADATA + key, METADATA + key, values.__contains__, shown)

    def missed(self, clips: pd.DataFrame) -> "pd.Series[str]":
        """Name for each clip the first part of the scope that does not hold; "" for a clip inside.

        Args:
            clips: n rows of the table of clips.

        Returns:
            n names, with the index of `clips`.
        """
        found = pd.Series("", index=clips.index, dtype=object)
        for part in self.parts():
            values = clips_column(clips, part.column)
            holds = values.map({value: part.holds(value) for value in values.unique()}).astype(bool)
            found = found.mask((found == "") & ~holds, part.name)
        return found

    def within(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Leave only the clips inside; the very table where the scope asks nothing."""
        return clips[self.missed(clips) == ""] if self.is_limited else clips

    def refusal(self, told: Mapping[str, str]) -> str:
        """Say why a capability does not apply to one clip; "" where it does.

        Args:
            told: what is known of the clip, by `Part.column`. A part that looks at something else cannot exclude it.
        """
        for part in self.parts():
            if part.column in told and not part.holds(told[part.column]):
                value = told[part.column]
                shown = "" if part.column in _CONTENT.values() else f", not {value or 'unknown'}"
                return f"it applies to {part.asked}{shown}"
        return ""

    def in_words(self) -> str:
        """Say what it asks; "" for nothing."""
        return "; ".join(part.asked for part in self.parts())


def clips_column(clips: pd.DataFrame, column: str) -> "pd.Series[str]":
    """Read what a `Part` looks at from the table of clips."""
    if not column.startswith(METADATA):
        return clips[column]
    key = column.removeprefix(METADATA)
    return clips["metadata"].map(lambda text: metadata_text(json.loads(text).get(key)))


def request_facts(*, has_video: bool, has_text: bool) -> dict[str, str]:
    """Tell of a request what `Scope.refusal` asks about modalities."""
    return {_CONTENT[Modality.VIDEO]: "yes" * has_video, _CONTENT[Modality.TEXT]: "yes" * has_text}


def _has_language(wanted: tuple[str, ...], given: str) -> bool:
    tag = given.lower() or UNKNOWN_LANGUAGE
    return any(tag == one or tag.startswith(f"{one}-") for one in wanted)

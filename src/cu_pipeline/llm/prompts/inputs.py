"""What a prompt may be told of clips: the caption, and what extractors found in the media."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cu_pipeline.features.clip_pictures import ClipPictures
from cu_pipeline.features.extractor import Identity
from cu_pipeline.features.frame_tags import frame_tags
from cu_pipeline.features.read_screens import read_screens
from cu_pipeline.features.screen_text import ScreenTextReader
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.text_log import TextFeature, text_key
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs, Prompt
from cu_pipeline.media.options import Limits


def screen_reader(options: LlmOptions) -> ScreenTextReader:
    """Give the reader of text on screen."""
    mine = options.screen_text
    return ScreenTextReader(mine.frames, mine.size, mine.least_confidence)


def read_missing_screens(
    clips: pd.DataFrame, known: Mapping[str, str], options: LlmOptions, workers: int
) -> Iterator[list[TextFeature]]:
    """Read the text on screen of clips where it is not known yet, a few at a time.

    Args:
        clips: rows of the table of clips.
        known: texts by key.
        options: how it is read.
        workers: processes; 0: one per core.
    """
    reader, mine = screen_reader(options), options.screen_text
    missing = {key: path for key, path in _files(clips, reader).items() if key not in known}
    yield from read_screens(reader, missing, Limits(timeout_s=mine.timeout_s, memory_mb=mine.memory_mb), workers)


def _files(clips: pd.DataFrame, reader: ScreenTextReader) -> dict[str, str]:
    """Give the key of each clip's text on screen, once, and the path of its media."""
    seen = clips[clips["media_sha256"] != ""]
    keys = [text_key(reader.identity, one) for one in seen["media_sha256"]]
    return dict(zip(keys, seen["path"], strict=True))


@dataclass(frozen=True)
class Extracted:
    """What extractors found in clips.

    Attributes:
        screens: text on screen by key.
        store: of features, the frames' among them.
        frames: identity of the frame encoder.
    """

    screens: Mapping[str, str]
    store: FeatureStore
    frames: Identity


def clip_inputs(
    clips: pd.DataFrame, wanted: Collection[str], extracted: Extracted, options: LlmOptions, *, pictures: bool
) -> list[ClipInputs]:
    """Give what prompts may be told of clips, in their order.

    Args:
        clips: rows of the table of clips.
        wanted: names of `prompting.inputs.WORDS`; the caption is always given.
        extracted: what extractors found.
        options: of tags and pictures.
        pictures: whether frames can be shown.

    Raises:
        StoreError: tags are wanted, and no clip's frames were encoded yet.
    """
    told = {name: _SOURCES[name](clips, extracted, options) for name in sorted({"text", *wanted})}
    shown = _pictures(clips, options) if pictures else [None] * len(clips)
    return [
        ClipInputs(**{name: texts[place] for name, texts in told.items()}, pictures=shown[place])
        for place in range(len(clips))
    ]


def inputs_for(clips: pd.DataFrame, recipe: Recipe, extracted: Extracted, options: LlmOptions) -> list[ClipInputs]:
    """Give what one recipe wants to be told of clips, in their order."""
    wanted = Prompt(recipe.template).inputs
    return clip_inputs(clips, wanted, extracted, options, pictures=recipe.pictures > 0)


def sources_of(recipe: Recipe, extracted: Extracted, options: LlmOptions) -> list[str]:
    """Give the fingerprints of the extractors whose findings a recipe wants to be told."""
    wanted = Prompt(recipe.template).inputs
    screens = [screen_reader(options).identity] if "screen_text" in wanted else []
    frames = [extracted.frames] if "tags" in wanted else []
    return [identity.fingerprint for identity in (*screens, *frames)]


def could_be_told(clips: pd.DataFrame, recipe: Recipe) -> "pd.Series[bool]":
    """Say of which clips a recipe could be told anything: the caption, a transcript, or what it looks for in media."""
    wanted = Prompt(recipe.template).inputs
    possible = clips["text"].str.strip() != ""
    if wanted & {"screen_text", "tags"} or recipe.pictures:
        possible |= clips["media_sha256"] != ""
    if "transcript" in wanted:
        possible |= pd.Series(_transcripts(clips), index=clips.index, dtype=object) != ""
    return possible


def says_something(clip: ClipInputs) -> bool:
    """Say whether anything but the language is known of a clip."""
    return clip.pictures is not None or any(text.strip() for name, text in clip.words.items() if name != "lang")


def reads_screens(recipe: Recipe) -> bool:
    """Say whether a recipe's prompt wants to be told the text on screen."""
    return "screen_text" in Prompt(recipe.template).inputs


def _texts(clips: pd.DataFrame, _: Extracted, __: LlmOptions) -> list[str]:
    return clips["text"].tolist()


def _languages(clips: pd.DataFrame, _: Extracted, __: LlmOptions) -> list[str]:
    return clips["lang"].fillna("").tolist()


def _screens(clips: pd.DataFrame, extracted: Extracted, options: LlmOptions) -> list[str]:
    identity = screen_reader(options).identity
    return [extracted.screens.get(text_key(identity, one), "") if one else "" for one in clips["media_sha256"]]


def _tags(clips: pd.DataFrame, extracted: Extracted, options: LlmOptions) -> list[str]:
    keys = [one for one in clips["media_sha256"] if one]
    frames = extracted.store.read(extracted.frames, keys, partial=True)
    tags = frame_tags(frames, options.tags.most, options.tags.least_probability)
    known = dict(zip(keys, tags, strict=True))
    return [known.get(one, "") for one in clips["media_sha256"]]


def _transcripts(clips: pd.DataFrame, *_: object) -> list[str]:
    """Give the feed's own column `transcript`, which is kept as metadata."""
    return [str(json.loads(one).get("transcript") or "") if one else "" for one in clips["metadata"].fillna("")]


def _pictures(clips: pd.DataFrame, options: LlmOptions) -> list[ClipPictures | None]:
    places = zip(clips["path"], clips["media_sha256"], strict=True)
    return [ClipPictures(path, one, 1, options.pictures.side) if one else None for path, one in places]


_SOURCES: Final[dict[str, Callable[[pd.DataFrame, Extracted, LlmOptions], list[str]]]] = {
    "text": _texts,
    "lang": _languages,
    "screen_text": _screens,
    "tags": _tags,
    "transcript": _transcripts,
}
"""Where each thing that a prompt may name comes from. A new one is a field of `ClipInputs` and a line here."""

"""What prompts may require to be known of clips: captions, and what extractors found in the media."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd
from pydantic import Field

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.options import Options
from cu_pipeline.core.paths import from_stored
from cu_pipeline.features.clip_pictures import ClipPictures
from cu_pipeline.features.earlier_texts import earlier_chunks
from cu_pipeline.features.extract import extract_missing
from cu_pipeline.features.extractor import Extractor, FeatureChunk, Tagger
from cu_pipeline.features.screen_text import ScreenTextOptions, ScreenTextReader
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import EXTRACTORS
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.media.options import Limits

PICTURES: Final = "pictures"
"""The required input that no template names: frames, for a recipe that shows some."""


class ReadingOptions(ScreenTextOptions):
    """How text on screen is read, where a prompt names it.

    Attributes:
        timeout_s: seconds of wall-clock time for one clip.
        memory_mb: address space of a reading process, in MiB.
    """

    timeout_s: float = Field(default=60.0, gt=0)
    memory_mb: int = Field(default=3072, ge=1024)


class TagOptions(Options):
    """How many tags of its frames a prompt that names them gets of a clip.

    Attributes:
        most: tags.
        least_probability: of a tag.
    """

    most: int = Field(default=5, ge=1, le=100)
    least_probability: float = Field(default=0.1, ge=0, le=1)


class PictureOptions(Options):
    """Frames that are shown to a model that sees.

    Attributes:
        count: of each clip; 0: none.
        side: the longer side of each, in pixels, at most.
    """

    count: int = Field(default=0, ge=0, le=64)
    side: int = Field(default=512, ge=32, le=4096)


class InputOptions(Options):
    """How inputs are found in clips.

    Attributes:
        screen_text: how text on screen is read.
        tags: how many tags a clip has.
        pictures: frames that are shown to the model.
    """

    screen_text: ReadingOptions = ReadingOptions()
    tags: TagOptions = TagOptions()
    pictures: PictureOptions = PictureOptions()


@dataclass(frozen=True)
class Extracted:
    """What extractors found in clips.

    Attributes:
        screens: store of texts on screen.
        store: of features, the frames' among them.
        tagger: the extractor in use that tells what clips show; None: there is none.
    """

    screens: FeatureStore
    store: FeatureStore
    tagger: Tagger | None

    @classmethod
    def of(cls, screens: FeatureStore, store: FeatureStore, extractors: Iterable[Extractor]) -> "Extracted":
        """Look for the first extractor in use that tells what clips show."""
        return cls(screens, store, next((one for one in extractors if isinstance(one, Tagger)), None))

    def needed_tagger(self) -> Tagger:
        """The extractor that tells what clips show.

        Raises:
            ConfigurationError: none is in use.
        """
        if self.tagger is None:
            able = ", ".join(name for name, one in EXTRACTORS.items() if hasattr(one, "tags"))
            raise ConfigurationError(
                "a prompt names tags, but no extractor in use gives any: add one of these to featurize.extractors: "
                f"{able}; or choose another prompt"
            )
        return self.tagger


def clip_inputs(
    clips: pd.DataFrame, required: Collection[str], extracted: Extracted, options: InputOptions
) -> list[ClipInputs]:
    """Look up what prompts require of clips, in their order.

    Args:
        clips: rows of the table of clips.
        required: names of `prompt.TEXTS`, and `PICTURES`; the caption is always given.
        extracted: what extractors found.
        options: of tags and pictures.

    Raises:
        StoreError: tags are required, and no clip's frames were encoded yet.
    """
    texts = {name: _SOURCES[name](clips, extracted, options) for name in sorted({"text", *required} - {PICTURES})}
    shown = _pictures(clips, options) if PICTURES in required else [None] * len(clips)
    return [
        ClipInputs(**{name: found[place] for name, found in texts.items()}, pictures=shown[place])
        for place in range(len(clips))
    ]


def extractor_fingerprints(required: Collection[str], extracted: Extracted, options: InputOptions) -> list[str]:
    """Name the extractors that find the required inputs, the text reader first."""
    screens = [screen_reader(options).identity] if "screen_text" in required else []
    tags = [extracted.needed_tagger().identity] if "tags" in required else []
    return [identity.fingerprint for identity in (*screens, *tags)]


def may_be_known(clips: pd.DataFrame, required: Collection[str]) -> "pd.Series[bool]":
    """Say of which clips any required input could be known: caption, transcript, or what is found in media."""
    possible = clips["text"].str.strip() != ""
    if {"screen_text", "tags", PICTURES} & set(required):
        possible |= clips["media_sha256"] != ""
    if "transcript" in required:
        possible |= pd.Series(_transcripts(clips), index=clips.index, dtype=object) != ""
    return possible


def says_something(clip: ClipInputs) -> bool:
    """Say whether anything but the language is known of a clip."""
    return clip.pictures is not None or any(text.strip() for name, text in clip.texts.items() if name != "lang")


def screen_reader(options: InputOptions) -> ScreenTextReader:
    """Build the reader of text on screen."""
    return ScreenTextReader(**options.screen_text.model_dump(include=set(ScreenTextOptions.model_fields)))


def read_missing_screens(
    clips: pd.DataFrame, store: FeatureStore, earlier: Mapping[str, str], options: InputOptions, mapper: Mapper
) -> Iterator[FeatureChunk]:
    """Read the text on screen of clips where it is not known yet, a few at a time.

    Args:
        clips: rows of the table of clips.
        store: of the texts that are known.
        earlier: texts that an earlier version knew.
        options: how it is read.
        mapper: decodes and reads.
    """
    reader, mine = screen_reader(options), options.screen_text
    seen = clips[clips["media_sha256"] != ""].drop_duplicates("media_sha256")
    files = {key: str(from_stored(path)) for key, path in zip(seen["media_sha256"], seen["path"], strict=True)}
    missing = store.missing(reader.identity, list(files))
    for chunk in earlier_chunks(reader.identity, earlier, missing):
        yield chunk
        missing = [key for key in missing if key not in chunk.keys]
    limits = Limits(timeout_s=mine.timeout_s, memory_mb=mine.memory_mb)
    yield from extract_missing([reader], {"media": {key: files[key] for key in missing}}, store, limits, mapper)


def _texts(clips: pd.DataFrame, _: Extracted, __: InputOptions) -> list[str]:
    return clips["text"].tolist()


def _languages(clips: pd.DataFrame, _: Extracted, __: InputOptions) -> list[str]:
    return clips["lang"].fillna("").tolist()


def _screens(clips: pd.DataFrame, extracted: Extracted, options: InputOptions) -> list[str]:
    identity = screen_reader(options).identity
    keys = [one for one in clips["media_sha256"] if one]
    unknown = set(extracted.screens.missing(identity, keys))
    known = [key for key in keys if key not in unknown]
    texts = dict(zip(known, extracted.screens.read(identity, known), strict=True))
    return [texts.get(one) or "" for one in clips["media_sha256"]]


def _tags(clips: pd.DataFrame, extracted: Extracted, options: InputOptions) -> list[str]:
    keys = [one for one in clips["media_sha256"] if one]
    tagger = extracted.needed_tagger()
    values = extracted.store.read(tagger.identity, keys, partial=True)
    tags = tagger.tags(values, options.tags.most, options.tags.least_probability)
    known = dict(zip(keys, tags, strict=True))
    return [known.get(one, "") for one in clips["media_sha256"]]


def _transcripts(clips: pd.DataFrame, *_: object) -> list[str]:
    """Look up the feed's own column `transcript`, which is kept as metadata."""
    return [str(json.loads(one).get("transcript") or "") if one else "" for one in clips["metadata"].fillna("")]


def _pictures(clips: pd.DataFrame, options: InputOptions) -> list[ClipPictures | None]:
    places = zip(clips["path"], clips["media_sha256"], strict=True)
    return [ClipPictures(path, one, 1, options.pictures.side) if one else None for path, one in places]


_SOURCES: Final[dict[str, Callable[[pd.DataFrame, Extracted, InputOptions], list[str]]]] = {
    "text": _texts,
    "lang": _languages,
    "screen_text": _screens,
    "tags": _tags,
    "transcript": _transcripts,
}
"""Where each thing that a prompt may name comes from. A new one is a field of `ClipInputs` and a line here."""

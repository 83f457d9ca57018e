"""Contents decoded in workers and encoded here, in chunks that the order of the contents decides alone."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError
from cu_pipeline.features.extractor import Extractor, FeatureChunk, Preparer, Source, empty_values, joined_values
from cu_pipeline.media.options import Limits

CHUNK: Final = 32
"""Contents whose features are written together, so the most that a crash costs."""

TOGETHER: Final[Mapping[Source, int]] = {"media": 8, "text": CHUNK}
"""Contents that are encoded together. More would let the workers, which decode a few clips ahead, wait meanwhile."""

LATER: Final = object()
"""Stands for a content that could not be read this time and may be read the next time."""

Key = TypeVar("Key")

_log = logging.getLogger(__name__)


def prepare_media(path: str, extractors: Mapping[Key, Preparer]) -> dict[Key, Any]:
    """Decode a media file once and turn it into the inputs of extractors' models, in a worker process.

    Returns:
        By key what the extractor's `prepare` gave; its error where it read the file by itself and could not use it,
        which costs no other extractor anything.

    Raises:
        BadClipError: the file's frames cannot be used.
    """
    from cu_pipeline.media.decoding import decode_samples

    samplings = {key: extractor.sampling for key, extractor in extractors.items()}
    wanted = {key: sampling for key, sampling in samplings.items() if sampling is not None}
    frames: dict[Key, Any] = {}
    if wanted:
        frames = dict(zip(wanted, decode_samples(Path(path), list(wanted.values())), strict=True))
    own = {key: _prepare_alone(path, one) for key, one in extractors.items() if key not in frames}
    return {key: own[key] if key in own else one.prepare(frames[key]) for key, one in extractors.items()}


def _prepare_alone(path: str, extractor: Preparer) -> Any:
    try:
        return extractor.prepare(path)
    except BadClipError as error:
        return error


@dataclass(frozen=True)
class Tally:
    """What became of the contents of one extractor.

    Attributes:
        encoded: that have a feature.
        without: that have nothing for the extractor, as a silent film has no sound.
    """

    encoded: int = 0
    without: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Add up."""
        return Tally(self.encoded + other.encoded, self.without + other.without)


class Buffer:
    """Contents of one extractor that wait to be encoded together, and features that wait to be stored together.

    A chunk ends after every 32 contents, whether or not all of them could be read, so that what is stored together, and
    under which name, does not depend on where the work is done.

    Args:
        extractor: encodes.
    """

    def __init__(self, extractor: Extractor) -> None:
        self.tally = Tally()
        self._extractor = extractor
        self._together = min(TOGETHER[extractor.source], CHUNK)
        self._waiting: list[tuple[str, Any]] = []
        self._encoded: list[FeatureChunk] = []
        self._seen = 0

    def add(self, key: str, prepared: Any) -> Iterator[FeatureChunk]:
        """Take a content as the model takes it, None where it has nothing, or why it is refused or left for later."""
        self._seen += 1
        if prepared is not LATER:
            self.tally += Tally(without=prepared is None)
            self._waiting.append((key, None if isinstance(prepared, BadClipError) else prepared))
        if len(self._waiting) == self._together:
            self._encode()
        if self._seen % CHUNK == 0:
            yield from self.rest()

    def rest(self) -> Iterator[FeatureChunk]:
        """Give the features that wait, if any do."""
        self._encode()
        encoded, self._encoded = self._encoded, []
        if encoded:
            keys = [key for chunk in encoded for key in chunk.keys]
            yield FeatureChunk(self._extractor.identity, keys, joined_values([chunk.values for chunk in encoded]))

    def _encode(self) -> None:
        if not self._waiting:
            return
        identity, waiting = self._extractor.identity, self._waiting
        self._waiting = []
        values = empty_values(identity.shape, len(waiting))
        usable = [place for place, (_, prepared) in enumerate(waiting) if prepared is not None]
        if usable:
            values[usable] = self._extractor.encode([waiting[place][1] for place in usable])
        self.tally += Tally(encoded=len(usable))
        count(f"{identity.name}_encoded", len(usable))
        self._encoded.append(FeatureChunk(identity, [key for key, _ in waiting], values))


def encoded(
    buffers: Sequence[Buffer],
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    lacking: Sequence[Collection[str]],
    limits: Limits,
    mapper: Mapper,
) -> Iterator[FeatureChunk]:
    """Decode and encode contents, each clip decoded once for all extractors that lack it.

    Args:
        buffers: of each extractor.
        extractors: what to compute.
        contents: kind of content -> its hash -> media path or text.
        lacking: the hashes that each extractor is to encode, in the order of `contents`.
        limits: time and memory that decoding one clip may take.
        mapper: decodes.
    """
    for place, key, prepared in _prepared(extractors, contents, lacking, limits, mapper):
        yield from buffers[place].add(key, prepared)
    for buffer in buffers:
        yield from buffer.rest()


def _prepared(
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    lacking: Sequence[Collection[str]],
    limits: Limits,
    mapper: Mapper,
) -> Iterator[tuple[int, str, Any]]:
    """The place of an extractor, the key of a content, and what `Buffer.add` takes of it."""
    seen = {place: set(keys) for place, keys in enumerate(lacking) if extractors[place].source == "media"}
    wanted = {key: tuple(place for place, keys in seen.items() if key in keys) for key in contents.get("media", ())}
    yield from _decoded(extractors, contents, {key: places for key, places in wanted.items() if places}, limits, mapper)
    for place, keys in enumerate(lacking):
        if extractors[place].source == "text":
            for key in keys:
                yield place, key, extractors[place].prepare(contents["text"][key])


def _decoded(
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    wanted: Mapping[str, tuple[int, ...]],
    limits: Limits,
    mapper: Mapper,
) -> Iterator[tuple[int, str, Any]]:
    paths = contents.get("media", {})
    used = sorted({place for places in wanted.values() for place in places})
    outcomes = mapper.map(
        partial(_prepare_some, extractors={place: extractors[place] for place in used}),
        [(paths[key], places) for key, places in wanted.items()],
        timeout_s=limits.timeout_s,
        memory_mb=limits.memory_mb,
        description="decode and encode clips",
    )
    for (key, places), outcome in zip(wanted.items(), outcomes, strict=True):
        count("clips_decoded")
        if outcome.error is not None:
            _log.warning("%s: %s", paths[key], outcome.error)
        for place in places:
            prepared = outcome.error if outcome.value is None else outcome.value[place]
            if outcome.error is None and isinstance(prepared, BadClipError):
                _log.warning("%s: %s: %s", paths[key], extractors[place].identity.name, prepared)
            yield place, key, prepared if outcome.is_settled else LATER


def _prepare_some(item: tuple[str, tuple[int, ...]], extractors: Mapping[int, Extractor]) -> dict[int, Any]:
    path, places = item
    return prepare_media(path, {place: extractors[place] for place in places})

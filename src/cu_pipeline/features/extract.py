import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BadClipError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.features.clip_features import CONTENT
from cu_pipeline.features.extractor import Extractor, FeatureChunk, Preparer, Source, empty_values, joined_values
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits

CHUNK: Final = 32
"""Clips whose features are written together, so the most that a crash costs."""

TOGETHER: Final[Mapping[Source, int]] = {"media": 8, "text": CHUNK}
"""Contents that are encoded together. More would let the workers, which decode a few clips ahead, wait meanwhile."""

Key = TypeVar("Key")

_log = logging.getLogger(__name__)


def contents_of(clips: pd.DataFrame) -> dict[Source, dict[str, str]]:
    """List what extractors look at, each content once.

    Args:
        clips: rows of the table of clips.

    Returns:
        Kind of content -> its hash -> media path or text.
    """
    contents: dict[Source, dict[str, str]] = {}
    for source, column in CONTENT.items():
        used = clips[clips[column] != ""].drop_duplicates(column)
        given = used["text"] if source == "text" else [str(from_stored(path)) for path in used["path"]]
        contents[source] = dict(zip(used[column], given, strict=True))
    return contents


def extract_missing(
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    store: FeatureStore,
    limits: Limits,
    mapper: Mapper,
) -> Iterator[FeatureChunk]:
    """Compute the features that the store lacks, a chunk at a time, so that a crash loses one chunk at most.

    Media are decoded in isolated worker processes, each clip once for all extractors that lack it, while this process
    runs the models.

    Args:
        extractors: what to compute.
        contents: kind of content -> its hash -> media path or text.
        store: what is stored already.
        limits: time and memory that decoding one clip may take.
        mapper: decodes.
    """
    lacking = [store.missing(extractor.identity, list(contents[extractor.source])) for extractor in extractors]
    for extractor, missing in zip(extractors, lacking, strict=True):
        stored = len(contents[extractor.source]) - len(missing)
        _log.info("%s: %d to compute, %d stored", _told(extractor, extractors), len(missing), stored)
        count(f"{extractor.identity.name}_encoded", 0)
    buffers = [_Buffer(extractor) for extractor in extractors]
    for place, key, prepared in _prepared(extractors, contents, lacking, limits, mapper):
        yield from buffers[place].add(key, prepared)
    for buffer, missing in zip(buffers, lacking, strict=True):
        yield from buffer.rest()
        buffer.tell(len(missing))


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


class _Buffer:
    """Contents of one extractor that wait to be encoded together, and features that wait to be stored together."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor = extractor
        self._together = min(TOGETHER[extractor.source], CHUNK)
        self._waiting: list[tuple[str, Any]] = []
        self._encoded: list[FeatureChunk] = []
        self._done = 0
        self._lacking = 0

    def add(self, key: str, prepared: Any) -> Iterator[FeatureChunk]:
        self._lacking += prepared is None
        self._waiting.append((key, None if isinstance(prepared, BadClipError) else prepared))
        if len(self._waiting) == self._together:
            self._encode()
        if sum(len(chunk.keys) for chunk in self._encoded) >= CHUNK:
            yield from self.rest()

    def rest(self) -> Iterator[FeatureChunk]:
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
        self._done += len(usable)
        count(f"{identity.name}_encoded", len(usable))
        self._encoded.append(FeatureChunk(identity, [key for key, _ in waiting], values))

    def tell(self, wanted: int) -> None:
        name, unusable = self._extractor.identity.name, wanted - self._done - self._lacking
        if self._lacking:
            _log.info("%s: %d of %d clips have none, and it counts as absent", name, self._lacking, wanted)
        if unusable:
            _log.warning(
                "%s: %d of %d clips could not be used and count as absent; see the warnings above",
                name, unusable, wanted,
            )  # fmt: skip


def _told(extractor: Extractor, extractors: Sequence[Extractor]) -> str:
    """Name an extractor, with its parameters where two of a name are in use."""
    name = extractor.identity.name
    if sum(other.identity.name == name for other in extractors) == 1:
        return name
    return f"{name} ({', '.join(f'{key} {value}' for key, value in extractor.parameters.items())})"


def _prepared(
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    lacking: Sequence[Sequence[str]],
    limits: Limits,
    mapper: Mapper,
) -> Iterator[tuple[int, str, Any]]:
    """The place of an extractor, the key of a content, and the content as its model takes it, or why it is refused."""
    media: dict[str, list[int]] = defaultdict(list)
    for place, missing in enumerate(lacking):
        if extractors[place].source == "media":
            for key in missing:
                media[key].append(place)
    yield from _decoded(extractors, contents["media"], media, limits, mapper)
    for place, missing in enumerate(lacking):
        if extractors[place].source == "text":
            for key in missing:
                yield place, key, extractors[place].prepare(contents["text"][key])


def _decoded(
    extractors: Sequence[Extractor],
    paths: Mapping[str, str],
    wanted: Mapping[str, Sequence[int]],
    limits: Limits,
    mapper: Mapper,
) -> Iterator[tuple[int, str, Any]]:
    places = {place for wanting in wanted.values() for place in wanting}
    outcomes = mapper.map(
        partial(_prepare_some, extractors={place: extractors[place] for place in sorted(places)}),
        [(paths[key], tuple(wanting)) for key, wanting in wanted.items()],
        timeout_s=limits.timeout_s,
        memory_mb=limits.memory_mb,
        description="decode and encode clips",
    )
    for (key, wanting), outcome in zip(wanted.items(), outcomes, strict=True):
        count("clips_decoded")
        if outcome.error is not None:
            _log.warning("%s: %s", paths[key], outcome.error)
        if outcome.is_settled:
            prepared = dict.fromkeys(wanting, outcome.error) if outcome.value is None else outcome.value
            for place in wanting:
                if outcome.error is None and isinstance(prepared[place], BadClipError):
                    _log.warning("%s: %s: %s", paths[key], extractors[place].identity.name, prepared[place])
                yield place, key, prepared[place]


def _prepare_some(item: tuple[str, tuple[int, ...]], extractors: Mapping[int, Extractor]) -> dict[int, Any]:
    path, places = item
    return prepare_media(path, {place: extractors[place] for place in places})

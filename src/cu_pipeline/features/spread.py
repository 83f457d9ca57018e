"""Features on many machines: chunks travel as paths and texts, and are encoded and stored where they arrive."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from cu_pipeline.compute.kept_mapper import KeptMapper
from cu_pipeline.compute.mapper import Spreader
from cu_pipeline.core.counters import count, counts, reset
from cu_pipeline.core.progress import bar
from cu_pipeline.features.encoding import CHUNK, Buffer, Tally, encoded
from cu_pipeline.features.extractor import Extractor, Source
from cu_pipeline.features.shared_media import SharedMedia
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits

_ENCODER_MB: Final = 1536
"""Memory of a worker beside its decoding process: models, and frames that wait for them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Chunk:
    """Contents whose features are stored together.

    Attributes:
        places: of the extractors that lack just these.
        contents: hash -> media path or text.
    """

    places: tuple[int, ...]
    contents: dict[str, str]


@dataclass(frozen=True)
class Done:
    """What a chunk came to.

    Attributes:
        chunk: its places and number of contents.
        tallies: of each of its places.
        counts: what was counted.
        said: warnings and what is worse.
    """

    places: tuple[int, ...]
    size: int
    tallies: tuple[Tally, ...]
    counts: dict[str, int]
    said: tuple[tuple[int, str], ...]


def chunks_of(
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    lacking: Sequence[Sequence[str]],
) -> list[Chunk]:
    """Divide what extractors lack into the parts that one process would store, before anything is distributed.

    Extractors that lack the same contents share a chunk, so that a clip is decoded once for them.

    Args:
        extractors: what to compute.
        contents: kind of content -> its hash -> media path or text.
        lacking: the hashes that each extractor is to encode, in the order of `contents`.
    """
    places: dict[tuple[Source, tuple[str, ...]], list[int]] = {}
    for place, (extractor, keys) in enumerate(zip(extractors, lacking, strict=True)):
        for start in range(0, len(keys), CHUNK):
            places.setdefault((extractor.source, tuple(keys[start : start + CHUNK])), []).append(place)
    return [
        Chunk(tuple(found), {key: contents[source][key] for key in keys}) for (source, keys), found in places.items()
    ]


def spread(
    extractors: Sequence[Extractor],
    contents: Mapping[Source, Mapping[str, str]],
    lacking: Sequence[Sequence[str]],
    store: FeatureStore,
    limits: Limits,
    spreader: Spreader,
) -> list[Tally]:
    """Let others compute and store what extractors lack.

    Args:
        extractors: what to compute.
        contents: kind of content -> its hash -> media path or text.
        lacking: the hashes that each extractor is to encode, in the order of `contents`.
        store: that all machines reach under this name.
        limits: time and memory that decoding one clip may take.
        spreader: has the machines.

    Returns:
        What became of the contents of each extractor.
    """
    chunks = chunks_of(extractors, contents, lacking)
    tallies = [Tally() for _ in extractors]
    if store.media is not None:
        of_media = [chunk for chunk in chunks if extractors[chunk.places[0]].source == "media"]
        store.media.publish({sha: path for chunk in of_media for sha, path in chunk.contents.items()})
    make = partial(Featurizer, list(extractors), store.root, limits, store.media)
    on_gpu = any(str(extractor.parameters.get("device", "cpu")) != "cpu" for extractor in extractors)
    memory_mb = limits.memory_mb + _ENCODER_MB
    with bar("decode and encode clips", sum(len(chunk.contents) for chunk in chunks)) as shown:
        for done in spreader.spread(make, chunks, memory_mb=memory_mb, on_gpu=on_gpu):
            for place, tally in zip(done.places, done.tallies, strict=True):
                tallies[place] += tally
            for name, amount in done.counts.items():
                count(name, amount)
            for level, text in done.said:
                _log.log(level, "%s", text)
            shown.update(done.size)
    return tallies


class Featurizer:
    """Computes and stores chunks; it keeps the models and the process that decodes from one chunk to the next.

    Args:
        extractors: what it may be asked for.
        root: of the feature store.
        limits: time and memory that decoding one clip may take.
        media: where to find the media that this machine lacks; None: it has all.
    """

    def __init__(
        self, extractors: Sequence[Extractor], root: Path | str, limits: Limits, media: SharedMedia | None = None
    ) -> None:
        self._extractors = extractors
        self._store = FeatureStore(root)
        self._media = media
        self._limits = limits
        self._mapper = KeptMapper()

    def __call__(self, chunk: Chunk) -> Done:
        """Decode and encode a chunk, and store its features, one part for each extractor."""
        extractors = [self._extractors[place] for place in chunk.places]
        buffers = [Buffer(extractor) for extractor in extractors]
        lacking = [list(chunk.contents)] * len(extractors)
        source = extractors[0].source
        reset()
        with _heard() as said, self._at_hand(source, chunk.contents) as found:
            for part in encoded(buffers, extractors, {source: found}, lacking, self._limits, self._mapper):
                self._store.append(part.identity, part.keys, part.values)
        tallies = tuple(buffer.tally for buffer in buffers)
        return Done(chunk.places, len(chunk.contents), tallies, counts(), tuple(said))

    def _at_hand(self, source: Source, contents: Mapping[str, str]) -> AbstractContextManager[Mapping[str, str]]:
        if source == "media" and self._media is not None:
            return self._media.at_hand(contents)
        return nullcontext(contents)


@contextmanager
def _heard() -> Iterator[list[tuple[int, str]]]:
    """Keep warnings, for the process that asked to tell."""
    said: list[tuple[int, str]] = []

    class Kept(logging.Handler):
        def emit(self, record: Any) -> None:
            said.append((record.levelno, record.getMessage()))

    handler, logger = Kept(logging.WARNING), logging.getLogger("cu_pipeline")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)

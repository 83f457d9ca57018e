import logging
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cu_pipeline.compute.mapper import Mapper, Spreader
from cu_pipeline.core.counters import count
from cu_pipeline.core.paths import from_stored
from cu_pipeline.features.clip_features import CONTENT
from cu_pipeline.features.compaction import compact
from cu_pipeline.features.encoding import Buffer, Tally, encoded
from cu_pipeline.features.extractor import Extractor, FeatureChunk, Source
from cu_pipeline.features.spread import spread
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.media.options import Limits

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
    runs the models. A mapper that spreads work over machines decodes, encodes and stores there, in the same parts:
    then no chunk is left for the caller to store. Where many small parts are stored by then, they are joined.

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
    if isinstance(mapper, Spreader):
        tallies = spread(extractors, contents, lacking, store, limits, mapper)
    else:
        buffers = [Buffer(extractor) for extractor in extractors]
        yield from encoded(buffers, extractors, contents, lacking, limits, mapper)
        tallies = [buffer.tally for buffer in buffers]
    for extractor, missing, tally in zip(extractors, lacking, tallies, strict=True):
        _tell(extractor.identity.name, len(missing), tally)
        compact(store, extractor.identity)


def _told(extractor: Extractor, extractors: Sequence[Extractor]) -> str:
    """Name an extractor, with its parameters where two of a name are in use."""
    name = extractor.identity.name
    if sum(other.identity.name == name for other in extractors) == 1:
        return name
    return f"{name} ({', '.join(f'{key} {value}' for key, value in extractor.parameters.items())})"


def _tell(name: str, wanted: int, tally: Tally) -> None:
    unusable = wanted - tally.encoded - tally.without
    if tally.without:
        _log.info("%s: %d of %d clips have none, and it counts as absent", name, tally.without, wanted)
    if unusable:
        _log.warning(
            "%s: %d of %d clips could not be used and count as absent; see the warnings above", name, unusable, wanted
        )

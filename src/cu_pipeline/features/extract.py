import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.counters import count
from cu_pipeline.features.chunk import FeatureChunk
from cu_pipeline.features.extractor import Extractor
from cu_pipeline.media.options import Limits

_CHUNK = 32

_log = logging.getLogger(__name__)


def extract(
    extractor: Extractor, contents: Mapping[str, str], limits: Limits, mapper: Mapper
) -> Iterator[FeatureChunk]:
    """Compute the features of contents, a chunk at a time, so that a crash loses one chunk at most.

    Media are decoded in isolated worker processes while this process runs the model.

    Args:
        extractor: what to compute.
        contents: content key -> media path or text.
        limits: time and memory that decoding one clip may take.
        mapper: decodes.
    """
    done = 0
    for keys, prepared in _chunks(_prepare(extractor, contents, limits, mapper)):
        usable = [index for index, item in enumerate(prepared) if item is not None]
        vectors = np.full((len(keys), *extractor.identity.shape), np.nan, dtype=np.float32)
        if usable:
            vectors[usable] = extractor.encode([prepared[index] for index in usable])
        done += len(usable)
        count(f"{extractor.identity.name}_encoded", len(usable))
        yield FeatureChunk(extractor.identity, keys, vectors)
    if done < len(contents):
        _log.warning(
            "%s: %d of %d clips could not be used and count as absent; see the warnings above",
            extractor.identity.name, len(contents) - done, len(contents),
        )  # fmt: skip


def _prepare(
    extractor: Extractor, contents: Mapping[str, str], limits: Limits, mapper: Mapper
) -> Iterator[tuple[str, Any]]:
    if extractor.source == "text":
        for key, text in contents.items():
            yield key, extractor.prepare(text)
        return
    outcomes = mapper.map(
        extractor.prepare,
        list(contents.values()),
        timeout_s=limits.timeout_s,
        memory_mb=limits.memory_mb,
        description="decode and encode clips",
    )
    for (key, path), outcome in zip(contents.items(), outcomes, strict=True):
        count("clips_decoded")
        if outcome.error is not None:
            _log.warning("%s: %s", path, outcome.error)
        if outcome.is_settled:
            yield key, outcome.value


def _chunks(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[list[str], list[Any]]]:
    keys: list[str] = []
    items: list[Any] = []
    for key, item in pairs:
        keys.append(key)
        items.append(item)
        if len(keys) == _CHUNK:
            yield keys, items
            keys, items = [], []
    if keys:
        yield keys, items

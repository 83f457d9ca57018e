import logging
from collections.abc import Iterator

import pandas as pd

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.counters import count
from cu_pipeline.core.paths import from_stored
from cu_pipeline.features.batch import CONTENT
from cu_pipeline.features.chunk import FeatureChunk
from cu_pipeline.features.extract import extract
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import build_all
from cu_pipeline.pipelines.featurize.options import FeaturizeOptions

_log = logging.getLogger(__name__)


def extract_features(
    clips: pd.DataFrame, store: FeatureStore, options: FeaturizeOptions, workers: int
) -> Iterator[FeatureChunk]:
    """Compute the features that the store lacks, a chunk at a time.

    Args:
        clips: the table of usable clips.
        store: what is stored already.
        options: of the extractors and of decoding.
        workers: decoding processes; 0: one per core.
    """
    for name in ("clips_decoded", "frames_encoded", "captions_encoded"):
        count(name, 0)
    mapper = LocalMapper(workers)
    for extractor in build_all(options.extractors).values():
        contents = _contents(clips, extractor.source)
        missing = store.missing(extractor.identity, list(contents))
        _log.info(
            "%s: %d to compute, %d stored",
            extractor.identity.name,
            len(missing),
            len(contents) - len(missing),
        )
        yield from extract(extractor, {key: contents[key] for key in missing}, options.limits, mapper)


def _contents(clips: pd.DataFrame, source: str) -> dict[str, str]:
    """Give content hash -> media path or text, once each."""
    column = CONTENT[source]
    used = clips[clips[column] != ""].drop_duplicates(column)
    if source == "text":
        return dict(zip(used[column], used["text"], strict=True))
    return {key: str(from_stored(path)) for key, path in zip(used[column], used["path"], strict=True)}

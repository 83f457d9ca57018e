import logging
from collections.abc import Iterator, Sequence

import pandas as pd

from cu_pipeline.compute.engine import ComputeOptions, mapper_of
from cu_pipeline.core.counters import count
from cu_pipeline.core.errors import BundleError
from cu_pipeline.features.extract import contents_of, extract_missing
from cu_pipeline.features.extractor import Extractor, FeatureChunk
from cu_pipeline.features.store import FeatureStore
from cu_pipeline.features.table import FeatureInput, FeaturizeOptions, build_all

_log = logging.getLogger(__name__)


def extract_features(
    clips: pd.DataFrame,
    store: FeatureStore,
    served: list[FeatureInput],
    options: FeaturizeOptions,
    compute: ComputeOptions,
) -> Iterator[FeatureChunk]:
    """Compute the features that the store lacks, a chunk at a time.

    Args:
        clips: the table of usable clips.
        store: what is stored already.
        served: what the served models read: they are compared with new models on the same clips.
        options: of the extractors and of decoding.
        compute: what it runs on.
    """
    count("clips_decoded", 0)
    configured = list(build_all(options.extractors).values())
    extractors = [*configured, *_others(served, configured)]
    yield from extract_missing(extractors, contents_of(clips), store, options.limits, mapper_of(compute))


def _others(served: Sequence[FeatureInput], configured: Sequence[Extractor]) -> Iterator[Extractor]:
    """The extractors of served models beyond the configured ones, as far as this installation has them."""
    known = {extractor.identity.fingerprint for extractor in configured}
    for one in served:
        if one.fingerprint not in known:
            try:
                yield one.extractor()
            except BundleError as error:
                _log.warning("a served model %s", error)

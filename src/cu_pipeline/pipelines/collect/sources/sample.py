from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.paths import from_stored
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.sources.manifest import read_manifest

FOLDER: Final = Path("data/01_raw/sample")


def read_sample(place: str, options: CollectOptions, mapper: Mapper) -> pd.DataFrame:
    """Read the generated feed, after rendering what of it is not there yet.

    Args:
        place: folder for the feed; "": the project's own.
        options: of the collect pipeline.
        mapper: renders.
    """
    from cu_pipeline.sample.generate import generate

    manifest = generate(from_stored(place or str(FOLDER)), options.sample, mapper)
    return read_manifest(str(manifest), options, mapper)

from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.core.paths import from_stored
from cu_pipeline.ingest.manifest import read_manifest
from cu_pipeline.splitting.options import CollectOptions

FOLDER: Final = Path("data/01_raw/sample")


def read_sample(place: str, options: CollectOptions, workers: int) -> pd.DataFrame:
    """Read the generated feed, after rendering what of it is not there yet.

    Args:
        place: folder for the feed; "": the project's own.
        options: of the collect pipeline.
        workers: rendering processes; 0: one per core.
    """
    from cu_pipeline.sample.generate import generate

    manifest = generate(from_stored(place or str(FOLDER)), options.sample, workers=workers)
    return read_manifest(str(manifest), options, workers)

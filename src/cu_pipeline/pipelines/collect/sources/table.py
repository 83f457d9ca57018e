from typing import Final

import pandas as pd

from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.sources.folder import read_folder
from cu_pipeline.pipelines.collect.sources.manifest import read_manifest
from cu_pipeline.pipelines.collect.sources.sample import read_sample
from cu_pipeline.pipelines.collect.sources.source import Source

SOURCES: Final[dict[str, Source]] = {
    "folder": read_folder,
    "manifest": read_manifest,
    "sample": read_sample,
}
"""Sources by the name that may stand before a colon in the parameter `manifest`."""


def read_source(options: CollectOptions, workers: int) -> pd.DataFrame:
    """Read the source that `options.manifest` names: `NAME`, `NAME:PLACE`, or a manifest's place alone.

    Raises:
        ManifestError: the source cannot be read at all.
    """
    name, _, place = options.manifest.partition(":")
    if name not in SOURCES:
        name, place = "manifest", options.manifest
    return SOURCES[name](place, options, workers)

from pathlib import Path
from typing import Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.paths import from_stored
from cu_pipeline.pipelines.collect.formats import SOURCE
from cu_pipeline.pipelines.collect.options import CollectOptions
from cu_pipeline.pipelines.collect.sources.folder import read_folder
from cu_pipeline.pipelines.collect.sources.huggingface import read_huggingface
from cu_pipeline.pipelines.collect.sources.manifest import read_manifest
from cu_pipeline.pipelines.collect.sources.sample import read_sample
from cu_pipeline.pipelines.collect.sources.source import Source
from cu_pipeline.pipelines.collect.sources.sql import read_sql
from cu_pipeline.pipelines.collect.sources.webdataset import read_webdataset

SOURCES: Final[dict[str, Source]] = {
    "folder": read_folder,
    "huggingface": read_huggingface,
    "manifest": read_manifest,
    "sample": read_sample,
    "sql": read_sql,
    "webdataset": read_webdataset,
}
"""Sources by the name that may stand before a colon in the parameter `manifest`."""


def read_sources(options: CollectOptions, mapper: Mapper) -> pd.DataFrame:
    """Read all sources that `options.manifest` names, one below the other.

    Returns:
        What a `Source` gives, and a column that tells each row's source.

    Raises:
        ManifestError: a source cannot be read at all.
    """
    frames = [_read(place, options, mapper) for place in options.manifest]
    if len(frames) == 1:
        return frames[0]
    columns = list(dict.fromkeys(name for frame in frames for name in frame.columns))
    return pd.concat([frame.reindex(columns=columns, fill_value="") for frame in frames], ignore_index=True)


def _read(place: str, options: CollectOptions, mapper: Mapper) -> pd.DataFrame:
    """Read one source: `NAME`, `NAME:PLACE`, or a manifest's place alone."""
    name, _, rest = place.partition(":")
    if name not in SOURCES:
        _check_known(place)
        name, rest = "manifest", place
    try:
        return SOURCES[name](rest, options, mapper).assign(**{SOURCE: place})
    except OSError as error:
        raise ManifestError(f"source {place!r} cannot be read: {type(error).__name__}: {error}") from error


def _check_known(place: str) -> None:
    name, colon, _ = place.partition(":")
    if colon and "://" not in place and name.isidentifier() and not from_stored(str(Path(place).expanduser())).exists():
        raise ManifestError(f"source {place!r}: {name!r} is unknown. Allowed: {', '.join(SOURCES)}, or a manifest")

from typing import Protocol

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.pipelines.collect.options import CollectOptions


class Source(Protocol):
    """Where clips come from."""

    def __call__(self, place: str, options: CollectOptions, mapper: Mapper) -> pd.DataFrame:
        """Read all rows.

        Args:
            place: what stands in the parameter `manifest`, without the source's name.
            options: of the collect pipeline.
            mapper: runs what takes long.

        Returns:
            A manifest's columns as text, absent values "". `path` is in the form that tables keep. A row that could
            not be read says why in the column `_problem`.

        Raises:
            ManifestError: the source cannot be read at all.
        """
        ...

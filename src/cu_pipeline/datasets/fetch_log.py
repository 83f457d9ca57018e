from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.media.fetch_log import Fetched, FetchLog


class FetchLogDataset(LocalDataset[Iterable[Fetched], dict[str, Fetched]]):
    """What was fetched from addresses: saving appends, loading gives the last of each address."""

    def load(self) -> dict[str, Fetched]:
        return FetchLog(self._filepath).read()

    def save(self, data: Iterable[Fetched]) -> None:
        FetchLog(self._filepath).append(data)

from collections.abc import Iterable

from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.media.probe_log import Probed, ProbeLog


class ProbeLogDataset(LocalDataset[Iterable[Probed], dict[str, Probed]]):
    """What probing media files found: saving appends, loading gives all by key."""

    def load(self) -> dict[str, Probed]:
        return ProbeLog(self._filepath).read()

    def save(self, data: Iterable[Probed]) -> None:
        ProbeLog(self._filepath).append(data)

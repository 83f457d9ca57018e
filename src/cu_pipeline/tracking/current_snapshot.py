"""The version of the data that lies in the project now, for nodes that name it."""

from typing import Any

from kedro.io import AbstractDataset

from cu_pipeline.core.paths import project_root
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.snapshots import Snapshot


class CurrentSnapshot(AbstractDataset[None, str]):
    """The id that `kedro snapshots` will show for the tables as they lie on the disk.

    Args:
        tables: dataset -> path of each table that makes a snapshot, relative to the project's folder.
        metadata: ignored here.
    """

    def __init__(self, *, tables: dict[str, str], metadata: dict[str, Any] | None = None) -> None:
        self._tables = tables
        self.metadata = metadata

    def load(self) -> str:
        """Hash the tables; one that is absent is left out."""
        hashes = {name: dvc_md5(project_root() / path) for name, path in self._tables.items()}
        return Snapshot({name: md5 for name, md5 in hashes.items() if md5}).id

    def save(self, data: None) -> None:
        """Refuse: a snapshot follows from the tables."""
        raise NotImplementedError("a snapshot follows from the tables")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"tables": self._tables}

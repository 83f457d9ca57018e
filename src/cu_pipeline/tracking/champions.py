from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError

from cu_pipeline.core.keys import file_key

if TYPE_CHECKING:
    from cu_pipeline.models.bundle import Bundle


class ChampionBundles(AbstractDataset[Any, "dict[str, Bundle]"]):
    """The champions of the model registry by capability; empty when there are none yet.

    Args:
        filepath: folder for the files taken from the registry, kept so that the next run need not take them again.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> "dict[str, Bundle]":
        """Load capability -> its champion's bundle."""
        from cu_pipeline.models.bundle import Bundle
        from cu_pipeline.tracking.registry import CHAMPION, champions, fetch

        bundles = {}
        for capability, version in champions().items():
            folder = self._filepath / file_key(capability) / version.version
            if not folder.is_dir():
                fetch(capability, CHAMPION, folder)
            bundles[capability] = Bundle.load(folder)
        return bundles

    def save(self, data: Any) -> None:
        """Refuse: champions change by promotion only."""
        given = type(data).__name__
        raise DatasetError(f"champions are not saved ({given} given): promote a registered version instead")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}

    def _exists(self) -> bool:
        return True

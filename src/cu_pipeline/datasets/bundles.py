import shutil
from pathlib import Path
from typing import Any

from cu_pipeline.core.errors import BundleError
from cu_pipeline.core.keys import file_key
from cu_pipeline.datasets.local import LocalDataset
from cu_pipeline.features.table import FeatureInput
from cu_pipeline.models.bundle import Bundle, inputs_of
from cu_pipeline.models.bundle_folder import replace_bundle


class BundlesDataset(LocalDataset[dict[str, Bundle], dict[str, Bundle]]):
    """The bundles of all capabilities, a subfolder each; an unchanged one is not written again.

    A service may read the folder at any moment: each bundle is replaced in one step, where the system is able to, and
    else so that a reader sees by the hash that it is half written.

    Args:
        filepath: folder of the bundles.
        lenient: give no bundle for what cannot be read, instead of an error; for reading what an earlier run
            left, if it left anything.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, lenient: bool = False, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._lenient = lenient

    def load(self) -> dict[str, Bundle]:
        found = [self._read(config.parent) for config in self._configs()]
        return {bundle.capability: bundle for bundle in found if bundle is not None}

    def save(self, data: dict[str, Bundle]) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        folders = {file_key(name): bundle for name, bundle in data.items()}
        for config in self._configs():
            if config.parent.name not in folders:
                config.unlink()  # from here on no reader takes it for a bundle
                shutil.rmtree(config.parent)
        for name, bundle in folders.items():
            folder = self._filepath / name
            before = self._read(folder, lenient=True) if folder.exists() else None
            if before is None or _kept(before) != _kept(bundle):
                replace_bundle(folder, bundle)

    def _configs(self) -> list[Path]:
        return sorted(self._filepath.glob("*/bundle.json"))

    def _read(self, folder: Path, lenient: bool | None = None) -> Bundle | None:
        try:
            return Bundle.load(folder)
        except BundleError:
            if self._lenient if lenient is None else lenient:
                return None
            raise

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "lenient": self._lenient}


def _kept(bundle: Bundle) -> tuple[object, ...]:
    """What a folder of a bundle that is not written again must have in common with it."""
    return bundle.version, bundle.scope, bundle.reference


class ServedInputs(LocalDataset[None, list[FeatureInput]]):
    """The features that the served bundles read, so that they can be computed for new clips too.

    Args:
        filepath: folder of the bundles; what cannot be read there is left out.
    """

    def load(self) -> list[FeatureInput]:
        return inputs_of(BundlesDataset(filepath=str(self._filepath), lenient=True).load().values())

    def save(self, data: None) -> None:
        raise NotImplementedError("what is served changes by delivery only")

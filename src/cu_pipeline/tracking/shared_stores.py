"""What of a project is published on shared places, and fetched from there."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.shared_folder import fetch_files, fetch_version, publish_files, publish_version
from cu_pipeline.core.stores import StoresOptions
from cu_pipeline.features.shared_parts import SharedParts
from cu_pipeline.features.store import publish_parts
from cu_pipeline.ingest.media_store import FOLDER
from cu_pipeline.tracking.catalog_files import CatalogFile

_SERVED: Final = ("champions", "promotions", "gate_tests", "served_quality")
_REPORTS: Final = "data/08_reporting"


@dataclass(frozen=True)
class SharedStores:
    """The shared places of one project.

    Attributes:
        root: the project's folder.
        options: where they are.
        files: of the catalog.
    """

    root: Path
    options: StoresOptions
    files: dict[str, CatalogFile]

    def after_run(self, written: Collection[str]) -> list[str]:
        """Publish what a run has written, and say what that was.

        Args:
            written: datasets.

        Raises:
            PlaceError: a place cannot be used.
        """
        told = []
        if self.options.champions and set(_SERVED) & set(written):
            told.append(self.push("champions"))
        if self.options.reports and any(
            self.files[name].path.startswith(_REPORTS) for name in written & self.files.keys()
        ):
            told.append(self.push("reports"))
        return told

    def push(self, name: str) -> str:
        """Publish one of `STORES`, and say what was done.

        Raises:
            ConfigurationError: no address is set.
            PlaceError: the place cannot be used.
        """
        address = self.address(name)
        return f"{name}: {STORES[name].push(self, address):,} files sent to {address}"

    def pull(self, name: str) -> str:
        """Fetch one of `STORES`, and say what was done.

        Raises:
            ConfigurationError: no address is set.
            PlaceError: the place cannot be used.
        """
        address = self.address(name)
        return f"{name}: {STORES[name].pull(self, address)} fetched from {address}"

    def address(self, name: str) -> str:
        """Find the address of one of `STORES`.

        Raises:
            ConfigurationError: none is set.
        """
        address: str | None = getattr(self.options, name)
        if address is None:
            raise ConfigurationError(
                f"parameter 'stores.{name}' is not set: give it an address, such as s3://bucket/{name}, in conf/"
            )
        return address

    def served(self) -> list[str]:
        """The paths of what is served, and of what the gate must know of it."""
        return [self.files[name].path for name in _SERVED]


@dataclass(frozen=True)
class SharedStore:
    """One kind of what is shared.

    Attributes:
        push: publishes it, and gives the files that were sent.
        pull: fetches it, and says what that was.
    """

    push: Callable[[SharedStores, str], int]
    pull: Callable[[SharedStores, str], str]


def _pull_version(stores: SharedStores, address: str) -> str:
    return ", ".join(fetch_version(address, stores.root))


def _pull_media(stores: SharedStores, address: str) -> str:
    return f"{fetch_files(address, stores.root / FOLDER):,} files"


def _push_features(stores: SharedStores, address: str) -> int:
    return publish_parts(stores.root / stores.files["features"].path, SharedParts(address))


def _no_pull(stores: SharedStores, address: str) -> str:  # noqa: ARG001
    raise ConfigurationError("features are not fetched at once: runs read what they need of them, and keep copies")


STORES: Final = {
    "features": SharedStore(_push_features, _no_pull),
    "champions": SharedStore(lambda here, to: publish_version(to, here.root, here.served()), _pull_version),
    "reports": SharedStore(lambda here, to: publish_version(to, here.root, [_REPORTS]), _pull_version),
    "media": SharedStore(lambda here, to: publish_files(to, here.root / FOLDER, "[0-9a-f][0-9a-f]/*"), _pull_media),
}
"""By the parameter in `stores` that has the address."""

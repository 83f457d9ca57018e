import logging
import tempfile
from pathlib import Path
from typing import Any

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.models.bundle import Bundle

_log = logging.getLogger(__name__)


def register_challenger(bundle: Bundle) -> str:
    """Register a bundle as its capability's challenger and give the registry's version."""
    from cu_pipeline.tracking import registry

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "bundle"
        bundle.save(folder)
        return registry.register(folder, bundle.capability, bundle.version, None)


def promote_if_decided(bundle: Bundle, version: str, verdict: dict[str, Any] | None) -> None:
    """Make a challenger the champion where the gate decided so.

    Raises:
        DeliveryError: the gate did not judge this bundle.
    """
    from cu_pipeline.tracking import registry

    if verdict is None or verdict["challenger"] != bundle.version:
        judged = "nothing" if verdict is None else verdict["challenger"]
        raise DeliveryError(
            f"capability {bundle.capability!r}: the gate judged {judged}, not the bundle {bundle.version}. "
            "Run the evaluate pipeline first."
        )
    if verdict["decision"] == "promote":
        registry.promote(bundle.capability, version, "; ".join(verdict["reasons"]))


def champion_bundle(capability: str, bundles: dict[str, Bundle]) -> Bundle | None:
    """Give the champion's bundle: the one at hand when it is that, else the registry's files.

    Raises:
        DeliveryError: the registry does not give the champion's files.
    """
    from cu_pipeline.tracking import registry

    champion = registry.champion(capability)
    if champion is None:
        _log.warning("capability %r has no champion: the gate promoted none. It is not served.", capability)
        return None
    if champion.bundle_version == bundles[capability].version:
        return bundles[capability]
    with tempfile.TemporaryDirectory() as scratch:
        folder = registry.fetch(capability, registry.CHAMPION, Path(scratch) / "bundle")
        if folder is None:
            raise DeliveryError(
                f"capability {capability!r}: the registry has no files of its champion, version "
                f"{champion.version}. Promote a version that it has."
            )
        return Bundle.load(folder)

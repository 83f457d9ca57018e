import logging
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.paths import project_root
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.pipelines.deliver.bento import Bento, build
from cu_pipeline.pipelines.deliver.verification import DeliverOptions, verify

_log = logging.getLogger(__name__)


def register_bundles(bundles: dict[str, Bundle], gate: dict[str, Any]) -> dict[str, str]:
    """Register every bundle as challenger and promote where the gate decided so.

    Returns:
        capability -> registry version of the bundle.

    Raises:
        DeliveryError: the gate did not judge a bundle.
    """
    registered = {}
    for name, bundle in bundles.items():
        registered[name] = register_challenger(bundle)
        promote_if_decided(bundle, registered[name], gate.get(name))
    return registered


def select_champions(registered: dict[str, str], bundles: dict[str, Bundle]) -> dict[str, Bundle]:
    """The champion's bundle of every registered capability that has a champion, under today's scope."""
    found = {name: champion_bundle(name, bundles) for name in registered}
    return {name: bundle.scoped(bundles[name].scope) for name, bundle in found.items() if bundle is not None}


def build_bentos(champions: dict[str, Bundle], options: DeliverOptions) -> list[Bento]:
    """Build the Bento that serves all champions; there is none without a champion."""
    if not champions:
        return []
    return [build(project_root(), project_root() / options.bentoml_home)]


def check_service(
    bentos: list[Bento],
    champions: dict[str, Bundle],
    clips: pd.DataFrame,
    predictions: pd.DataFrame,
    options: DeliverOptions,
) -> dict[str, Any]:
    """Prove that the packed service answers as the champions do offline, and send it traffic.

    Raises:
        DeliveryError: it does not start, or answers otherwise.
    """
    report: dict[str, Any] = {"parity": None, "service": None}
    for bento in bentos:
        report |= verify(bento, champions, clips, predictions, options)
    return report


def report_delivery(
    bentos: list[Bento], champions: dict[str, Bundle], checks: dict[str, Any], options: DeliverOptions
) -> dict[str, Any]:
    """Say what is served, and what was found of it."""
    from cu_pipeline.tracking import registry

    versions = {name: registry.champion(name) for name in champions}
    if not bentos:
        _log.info("nothing is served: no capability has a champion yet")
    for bento in bentos:
        _log.info("checked the service %s in %s", bento.tag, options.bentoml_home)
    return checks | {
        "bento": bentos[0].tag if bentos else None,
        "bentoml_home": options.bentoml_home,
        "capabilities": {
            name: {
                "version": version.version if version else None,
                "alias": registry.CHAMPION,
                "model_version": champions[name].version,
            }
            for name, version in versions.items()
        },
    }


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
    if verdict["decision"] != "promote":
        return
    if registry.is_taken_back(bundle.capability, version):
        _log.warning(
            "%s: version %s was promoted and taken back by hand, so it is not promoted again by itself. "
            "To have it back, give it the alias %s in MLflow",
            bundle.capability,
            version,
            registry.CHAMPION,
        )
    else:
        registry.promote(bundle.capability, version, "; ".join(verdict["reasons"]))


def champion_bundle(capability: str, bundles: dict[str, Bundle]) -> Bundle | None:
    """The champion's bundle: the one at hand when it is that, else the registry's files.

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

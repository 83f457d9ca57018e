import logging
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.core.errors import DeliveryError
from cu_pipeline.core.paths import project_root
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.samples import SampleClip
from cu_pipeline.models.bundle import Bundle, under_scopes
from cu_pipeline.pipelines.deliver.bento import Bento, build, described
from cu_pipeline.pipelines.deliver.verification import DeliverOptions, verify
from cu_pipeline.tracking.promotions import Promotion

_log = logging.getLogger(__name__)


def register_challengers(bundles: dict[str, Bundle]) -> dict[str, str]:
    """Register every bundle as its capability's challenger.

    Returns:
        capability -> what the registry calls the bundle.
    """
    from cu_pipeline.tracking import registry

    registered = {}
    for name, bundle in bundles.items():
        with tempfile.TemporaryDirectory() as scratch:
            bundle.save(Path(scratch))
            registered[name] = registry.register(Path(scratch), name, bundle.version)
    return registered


def record_promotions(
    registered: dict[str, str],
    bundles: dict[str, Bundle],
    gate: dict[str, Any],
    served: dict[str, Bundle],
    ledger: list[Promotion],
) -> list[Promotion]:
    """Enter into the ledger what people changed in MLflow's UI, and the challengers that the gate promotes.

    What is entered is done in the registry by `select_champions`: a run that is killed between the two is completed
    by the next one.

    Returns:
        The new entries.

    Raises:
        DeliveryError: the gate did not judge a bundle.
    """
    from cu_pipeline.tracking import registry
    from cu_pipeline.tracking.champions import settle_champions

    standing = settle_champions(served, bundles, ledger)
    entries = list(standing.moved)
    for name, challenger in bundles.items():
        champion = standing.champions.get(name)
        verdict = _verdict(challenger, gate.get(name))
        if _is_promoted(challenger, champion, verdict, standing.taken_back[name]):
            before = champion.version if champion else None
            known = registry.find(name, before) if before else None
            entry = Promotion.now(name, (before, challenger.version), "gate", "; ".join(verdict["reasons"]))
            entries.append(entry.numbered(known.version if known else None, registered[name]))
    return entries


def select_champions(
    ledger: list[Promotion],
    bundles: dict[str, Bundle],
    served: dict[str, Bundle],
    resolved: ResolvedCapabilities,
) -> dict[str, Bundle]:
    """Choose what is served: the champion of every configured capability that has one, under today's scope.

    A capability that could not be trained this time, such as one that waits for labels, keeps its champion.
    """
    from cu_pipeline.tracking.champions import settle_champions

    kept = {name: bundle for name, bundle in served.items() if name in bundles or name in resolved.configured}
    champions = settle_champions(kept, bundles, ledger).champions
    for name in bundles.keys() - champions.keys():
        _log.warning("capability %r has no champion: the gate promoted none. It is not served.", name)
    return under_scopes(champions, resolved.active)


def _verdict(challenger: Bundle, verdict: dict[str, Any] | None) -> dict[str, Any]:
    if verdict is None or verdict["challenger"] != challenger.version:
        judged = "nothing" if verdict is None else verdict["challenger"]
        raise DeliveryError(
            f"capability {challenger.capability!r}: the gate judged {judged}, not the bundle {challenger.version}. "
            "Run the evaluate pipeline first."
        )
    return verdict


def _is_promoted(challenger: Bundle, champion: Bundle | None, verdict: dict[str, Any], taken_back: set[str]) -> bool:
    """Whether a challenger becomes champion: the gate says so, of this champion, and no person has said otherwise."""
    name, present = challenger.capability, champion.version if champion else None
    if verdict["decision"] != "promote" or present == challenger.version:
        return False
    if challenger.version in taken_back:
        _log.warning(
            "%s: people or a rollout decided against %s, so the gate does not promote it by itself. To have it: "
            "kedro models promote %s %s",
            name,
            challenger.version,
            shlex.quote(name),
            challenger.version,
        )
        return False
    if verdict["champion"] != present:
        _log.warning(
            "%s: the gate compared %s with %s, but the champion is %s: it stays until the evaluate pipeline has run",
            name,
            challenger.version,
            verdict["champion"] or "no champion",
            present or "none",
        )
        return False
    return True


def without_traces(champions: dict[str, Bundle]) -> dict[str, Bundle]:
    """The champions as they are packed: no hash of a clip that they learned from leaves the project."""
    return {name: bundle.for_serving() for name, bundle in champions.items()}


def build_bentos(
    champions: dict[str, Bundle],
    samples: list[SampleClip],  # noqa: ARG001 - packed from their folder, as the others are
    quality: dict[str, Any],  # noqa: ARG001
    options: DeliverOptions,
) -> list[Bento]:
    """Build the Bento that serves all packed champions; there is none without a champion."""
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
        "packed": [described(bento) for bento in bentos],
        "capabilities": {
            name: {
                "version": version.version if version else None,
                "alias": registry.CHAMPION,
                "model_version": champions[name].version,
            }
            for name, version in versions.items()
        },
    }

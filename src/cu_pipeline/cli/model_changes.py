"""How `kedro models` changes a champion: checked first, told in words, and completed whatever kills it."""

import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cu_pipeline.cli.model_project import ModelProject
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.evaluation.account import GateTest
from cu_pipeline.features.clip_features import has_features
from cu_pipeline.models.bundle import Bundle, under_scopes
from cu_pipeline.tracking import registry
from cu_pipeline.tracking.champions import settle_champions, with_bundles
from cu_pipeline.tracking.known_models import KnownModel, choose
from cu_pipeline.tracking.promotions import UNKNOWN, Cause, Promotion, former_champions, of_capability

if TYPE_CHECKING:
    from cu_pipeline.cli.model_comparison import Comparison


@dataclass(frozen=True)
class Change:
    """A change of a champion that was asked for.

    Attributes:
        model: that becomes champion.
        bundle: its content.
        before: version of the champion until then; None: there is none.
        cause: which command asks for it.
        reason: in words.
    """

    model: KnownModel
    bundle: Bundle
    before: str | None
    cause: Cause
    reason: str


def former_champion(project: ModelProject, capability: str, word: str | None) -> str:
    """Find the champion that a rollback leads to.

    Args:
        project: whose ledger counts.
        capability: its name.
        word: what means a former champion; None: the one before.

    Returns:
        The bundle's version.

    Raises:
        ConfigurationError: there is none, or the word means another model.
        BundleError: its files are not here.
    """
    entries = with_bundles(of_capability(project.ledger, capability))
    models = project.models(capability)
    if word is not None:
        model = choose(models, word)
        if model.bundle_version not in {end for entry in entries for end in (entry.before, entry.after)}:
            raise ConfigurationError(
                f"{capability}: {model} was never champion. To make it champion: "
                f"kedro models promote {shlex.quote(capability)} {model.bundle_version}"
            )
        return model.bundle_version
    line = former_champions(entries)
    if not line or line[0] == UNKNOWN:
        known = "names the one before by the number of a former registry" if line else "has none before"
        named = shlex.quote(capability)
        raise ConfigurationError(
            f"{capability}: its champion is {project.champion(capability) or 'none'}, and the ledger of promotions "
            f"{known}. Remedy: `kedro models list {named}`, then `kedro models promote {named} MODEL`"
        )
    if line[0] not in {one.bundle_version for one in models}:
        raise BundleError(
            f"{capability}: the champion before is {line[0]}, whose files MLflow does not have here. Remedy: take "
            f"another model, `kedro models list {shlex.quote(capability)}`; or all champions with the data of then: "
            "`git checkout REVISION -- dvc.lock params.yaml`, `dvc checkout data/06_models/champions`"
        )
    return line[0]


def plan(project: ModelProject, capability: str, word: str, cause: Cause, reason: str) -> Change:
    """Check a change of a champion, without making it.

    Raises:
        ConfigurationError: the word means no model, or the champion.
        BundleError: the model's files are gone or damaged, or this installation cannot answer by it.
    """
    model = project.find(capability, word)
    configured = {*project.parameters["capabilities"].root, *project.resolved.configured}
    if capability not in configured:
        raise ConfigurationError(
            f"capability {capability!r} is not configured any more, so the next run would not serve it. "
            f"Configured: {', '.join(sorted(configured))}"
        )
    bundle, before = project.load(model), project.champion(capability)
    served = project.served.get(capability)
    if bundle.version == before and served is not None and served.version == before:
        raise ConfigurationError(f"{capability}: {model} is the champion already")
    bundle.extractors()
    return Change(model, bundle, before, cause, reason)


def notes(project: ModelProject, change: Change) -> Iterator[str]:
    """Say what a change means, and what speaks against it."""
    name, bundle = change.bundle.capability, change.bundle
    if change.before == bundle.version:
        yield f"{name}: {change.model} is champion by the ledger already; what a command left undone is completed"
    else:
        yield f"{name}: {change.model} becomes champion in the place of {change.before or 'none'}"
    today = project.resolved.active.get(name)
    if today is not None and (today.classes != bundle.classes or today.kind != bundle.kind):
        yield (
            f"note: it recognises {', '.join(bundle.classes)} ({bundle.kind.value}); today's classes are "
            f"{', '.join(today.classes)} ({today.kind.value}). It keeps to its own, and is not measured"
        )
    if project.catalog.exists("clips"):
        clips, store = project.catalog.load("clips"), project.catalog.load("features")
        absent = int((~has_features(clips, store, bundle.inputs)).sum())
        if absent:
            reads = ", ".join(bundle.inputs)
            missing = f"of {absent:,} of {len(clips):,} clips not all of it is stored"
            yield f"note: it reads {reads}, and {missing}: the next run adds it"
    if change.before not in {None, bundle.version}:
        yield f"the gate does not promote {change.before} again by itself"


def price(project: ModelProject, comparison: "Comparison") -> list[GateTest]:
    """Count a comparison that leads to a promotion as a test of the gate's; none: the two models were tested before."""
    return comparison.test(project.catalog.load("earlier_gate_tests"), project.parameters["evaluate"].gate_alpha)


def make(project: ModelProject, change: Change, paid: list[GateTest]) -> Promotion:
    """Change a champion: in the ledger first, then in the registry, then in what is served.

    Whatever kills it in between, the next run or command completes it, since the ledger is ahead of the rest. Only the
    gate's account is ahead of the ledger, so that nothing is had for free.

    Args:
        project: whose champion.
        change: which one.
        paid: what it costs in the gate's account.

    Returns:
        The ledger's entry.

    Raises:
        BundleError: the champion of another capability is damaged.
        TrackingError: MLflow's server or database cannot be used.
    """
    name = change.bundle.capability
    trained = project.catalog.load("bundle_cache") | {name: change.bundle}
    standing = settle_champions(project.served, trained, project.ledger)
    _check_others(project, {*standing.champions, name})
    number = _registered(change.bundle)  # before the ledger names it, so that its files are where runs look
    before = standing.champions[name].version if name in standing.champions else None
    known = registry.find(name, before) if before else None
    entry = Promotion.now(name, (before, change.bundle.version), change.cause, change.reason)
    entry = entry.numbered(known.version if known else None, number)
    if paid:
        project.catalog.save("gate_tests", paid)
    project.catalog.save("promotions", [*standing.moved, *([entry] if before != entry.after else [])])
    champions = settle_champions(project.served, trained, project.ledger).champions
    project.catalog.save("champions", under_scopes(champions, project.resolved.active))
    return entry


def _check_others(project: ModelProject, usable: Collection[str]) -> None:
    """Stop where writing the folder of champions would lose one that cannot be read just now."""
    named = {entry.capability for entry in project.ledger} & project.resolved.configured
    lost = sorted(name for name in named - set(usable) if project.champion(name) is not None)
    if lost:
        place = project.catalog.get("champions")._describe()["filepath"]
        raise BundleError(
            f"the champion of {', '.join(lost)} in {place} is absent or damaged, so nothing was changed. Remedy: "
            f"`dvc checkout {place}`, or `make run`"
        )


def _registered(bundle: Bundle) -> str:
    with TemporaryDirectory() as scratch:
        bundle.save(Path(scratch))
        return registry.register(Path(scratch), bundle.capability, bundle.version, None)

"""A Kedro project as `kedro models` sees it: who is champion, what MLflow knows, and how a champion is changed."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.features.clip_features import has_features
from cu_pipeline.models.bundle import Bundle, under_scopes
from cu_pipeline.tracking import registry
from cu_pipeline.tracking.catalog_files import catalog_files, tidy
from cu_pipeline.tracking.champions import settle_champions, told_champion, with_bundles
from cu_pipeline.tracking.known_models import KnownModel, choose, known_models
from cu_pipeline.tracking.promotions import UNKNOWN, Cause, Promotion, former_champions, of_capability
from cu_pipeline.tracking.run_lock import RunLock
from cu_pipeline.tracking.unpulled import check_champions

if TYPE_CHECKING:
    from cu_pipeline.cli.model_comparison import Comparison


@contextmanager
def open_project(root: Path, env: str | None, *, writes: bool) -> "Iterator[ModelProject]":
    """Open a project, for a change only while no run and no other command writes to it.

    Args:
        root: the project's folder.
        env: Kedro environment; None: the default.
        writes: whether champions may be changed; only reading disturbs no run.

    Raises:
        RunInProgressError: somebody else writes to the project.
        ConfigurationError: the champions, or their ledger, were not fetched.
    """
    from kedro.framework.session import KedroSession

    lock = RunLock(root)
    if writes:
        lock.acquire()
    try:
        with KedroSession.create(root, env=env, save_on_close=False) as session:
            context = session.load_context()
            files = catalog_files(context.config_loader["catalog"])
            if writes:
                tidy(root, files.values())
            check_champions(root, files, files)
            yield ModelProject(context.catalog, context.params)
    finally:
        lock.release()


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


class ModelProject:
    """Champions and other models of one project.

    Args:
        catalog: Kedro's.
        parameters: of the project.
    """

    def __init__(self, catalog: Any, parameters: dict[str, Any]) -> None:
        self.catalog = catalog
        self.parameters = parameters
        self._models: dict[str, list[KnownModel]] = {}

    @cached_property
    def served(self) -> dict[str, Bundle]:
        """The bundles that are served, by capability."""
        served: dict[str, Bundle] = self.catalog.load("served_champions")
        return served

    @property
    def ledger(self) -> list[Promotion]:
        """All changes of champions, in order."""
        entries: list[Promotion] = self.catalog.load("earlier_promotions")
        return entries

    @cached_property
    def resolved(self) -> ResolvedCapabilities:
        """The capabilities as the last run found them; none before the first."""
        known = self.catalog.exists("capabilities_resolved")
        resolved: ResolvedCapabilities = self.catalog.load("capabilities_resolved") if known else ResolvedCapabilities()
        return resolved

    def capabilities(self) -> list[str]:
        """All that have a model or are configured."""
        return sorted({*self.resolved.configured, *self.served, *registry.registered_models()})

    def champion(self, capability: str) -> str | None:
        """Version of the champion's bundle by the project's data; None: there is none."""
        return told_champion(self.served.get(capability), of_capability(self.ledger, capability))

    def models(self, capability: str) -> list[KnownModel]:
        """All models of a capability, the newest first.

        Raises:
            ConfigurationError: there is no such capability, or no model of it.
        """
        if capability in self._models:
            return self._models[capability]
        allowed = self.capabilities()
        if capability not in allowed:
            names = ", ".join(allowed) or "none yet: run `make run`"
            raise ConfigurationError(f"capability {capability!r} is unknown. Allowed: {names}")
        found = known_models(capability)
        if not found:
            raise ConfigurationError(f"MLflow knows no model of {capability} yet: `make run` trains one")
        self._models[capability] = found
        return found

    def find(self, capability: str, word: str) -> KnownModel:
        """Find the model that a word means; `champion` is what the project's data say.

        Raises:
            ConfigurationError: it means none, or several.
        """
        models = self.models(capability)
        champion = self.champion(capability)
        if word == registry.CHAMPION and champion is not None:
            models = [one for one in models if one.bundle_version == champion] or models
            word = champion
        return choose(models, word)

    def load(self, model: KnownModel) -> Bundle:
        """Give the bundle of a model, from the project's data where they have it.

        Raises:
            BundleError: its files are gone or damaged.
        """
        served = self.served.get(model.capability)
        return served if served is not None and served.version == model.bundle_version else model.load()

    def former(self, capability: str, word: str | None) -> str:
        """Find the champion that a rollback leads to.

        Args:
            capability: its name.
            word: what means a former champion; None: the one before.

        Returns:
            The bundle's version.

        Raises:
            ConfigurationError: there is none, or the word means another model.
            BundleError: its files are not here.
        """
        entries = with_bundles(of_capability(self.ledger, capability))
        models = self.models(capability)
        if word is not None:
            model = choose(models, word)
            if model.bundle_version not in {end for entry in entries for end in (entry.before, entry.after)}:
                raise ConfigurationError(
                    f"{capability}: {model} was never champion. To make it champion: "
                    f"kedro models promote {capability} {model.bundle_version}"
                )
            return model.bundle_version
        line = former_champions(entries)
        if not line or line[0] == UNKNOWN:
            known = "names the champion before by the number of a former registry" if line else "has no champion before"
            raise ConfigurationError(
                f"{capability}: the ledger of promotions {known}. Remedy: `kedro models list {capability}`, then "
                f"`kedro models promote {capability} MODEL`"
            )
        if line[0] not in {one.bundle_version for one in models}:
            raise BundleError(
                f"{capability}: the champion before is {line[0]}, whose files MLflow does not have here. Remedy: "
                f"take another model, `kedro models list {capability}`; or all champions with the data of then: "
                "`git checkout REVISION -- dvc.lock params.yaml`, `dvc checkout data/06_models/champions`"
            )
        return line[0]

    def plan(self, capability: str, word: str, cause: Cause, reason: str) -> Change:
        """Check a change of a champion, without making it.

        Raises:
            ConfigurationError: the word means no model, or the champion.
            BundleError: the model's files are gone or damaged, or this installation cannot answer by it.
        """
        model = self.find(capability, word)
        configured = {*self.parameters["capabilities"].root, *self.resolved.configured}
        if capability not in configured:
            raise ConfigurationError(
                f"capability {capability!r} is not configured any more, so the next run would not serve it. "
                f"Configured: {', '.join(sorted(configured))}"
            )
        bundle, before = self.load(model), self.champion(capability)
        served = self.served.get(capability)
        if bundle.version == before and served is not None and served.version == before:
            raise ConfigurationError(f"{capability}: {model} is the champion already")
        bundle.extractors()
        return Change(model, bundle, before, cause, reason)

    def notes(self, change: Change) -> Iterator[str]:
        """Say what a change means, and what speaks against it."""
        name, bundle = change.bundle.capability, change.bundle
        yield f"{name}: {change.model} becomes champion in the place of {change.before or 'none'}"
        today = self.resolved.active.get(name)
        if today is not None and (today.classes != bundle.classes or today.kind != bundle.kind):
            yield (
                f"note: it recognises {', '.join(bundle.classes)} ({bundle.kind.value}); today's classes are "
                f"{', '.join(today.classes)} ({today.kind.value}). It keeps to its own, and is not measured"
            )
        if self.catalog.exists("clips"):
            clips, store = self.catalog.load("clips"), self.catalog.load("features")
            absent = int((~has_features(clips, store, bundle.inputs)).sum())
            if absent:
                reads = ", ".join(bundle.inputs)
                missing = f"of {absent:,} of {len(clips):,} clips not all of it is stored"
                yield f"note: it reads {reads}, and {missing}: the next run adds it"
        if change.before is not None:
            yield f"the gate does not promote {change.before} again by itself"

    def spend(self, comparison: "Comparison") -> None:
        """Count a comparison that leads to a promotion as a test of the gate's; the same two models count once."""
        made = comparison.test(self.catalog.load("earlier_gate_tests"), self.parameters["evaluate"].gate_alpha)
        self.catalog.save("gate_tests", made)

    def reports(self, model: KnownModel) -> dict[str, Any]:
        """Find what `metrics` and `gate` said of a model: those of the last run, or of one that trained it.

        The decision that made it champion tells more than those since, that nothing changed.
        """
        found = {}
        for name, tell in (("metrics", _measured), ("gate", _judged)):
            said = [part for report in self._reports(name, model) if (part := tell(model, report))]
            if said:
                found[name] = next((one for one in said if one.get("champion") != model.bundle_version), said[0])
        return found

    def _reports(self, name: str, model: KnownModel) -> Iterator[dict[str, Any]]:
        import mlflow
        from mlflow.exceptions import MlflowException

        if self.catalog.exists(name):
            yield self.catalog.load(name)
        for run_id in model.runs:
            try:
                yield mlflow.artifacts.load_dict(f"runs:/{run_id}/{name}.json")
            except (MlflowException, OSError, ValueError):
                continue  # not every run made it, and some are gone

    def make(self, change: Change) -> Promotion:
        """Change a champion: in the ledger first, then in the registry, then in what is served.

        Whatever kills it in between, the next run or command completes it, since the ledger is ahead of the rest.

        Returns:
            The ledger's entry.

        Raises:
            BundleError: the champion of another capability is damaged.
            TrackingError: MLflow's server or database cannot be used.
        """
        name = change.bundle.capability
        trained = self.catalog.load("bundle_cache") | {name: change.bundle}
        standing = settle_champions(self.served, trained, self.ledger)
        self._check_others({*standing.champions, name})
        number = _registered(change.bundle)  # before the ledger names it, so that its files are where runs look
        before = standing.champions[name].version if name in standing.champions else None
        known = registry.find(name, before) if before else None
        entry = Promotion.now(name, (before, change.bundle.version), change.cause, change.reason)
        entry = entry.numbered(known.version if known else None, number)
        self.catalog.save("promotions", [*standing.moved, *([entry] if before != entry.after else [])])
        champions = settle_champions(self.served, trained, self.ledger).champions
        self.catalog.save("champions", under_scopes(champions, self.resolved.active))
        return entry

    def _check_others(self, usable: Collection[str]) -> None:
        """Stop where writing the folder of champions would lose one that cannot be read just now."""
        named = {entry.capability for entry in self.ledger} & self.resolved.configured
        lost = sorted(name for name in named - set(usable) if self.champion(name) is not None)
        if lost:
            place = self.catalog.get("champions")._describe()["filepath"]
            raise BundleError(
                f"the champion of {', '.join(lost)} in {place} is absent or damaged, so nothing was changed. Remedy: "
                f"`dvc checkout {place}`, or `make run`"
            )


def _measured(model: KnownModel, report: dict[str, Any]) -> dict[str, Any] | None:
    shown = report.get(model.capability, {})
    both: list[dict[str, Any]] = [shown, shown.get("challenger", {})]
    return next((one for one in both if one.get("model_version") == model.bundle_version), None)


def _judged(model: KnownModel, report: dict[str, Any]) -> dict[str, Any] | None:
    decision: dict[str, Any] = report.get(model.capability, {})
    return decision if decision.get("challenger") == model.bundle_version else None


def _registered(bundle: Bundle) -> str:
    with TemporaryDirectory() as scratch:
        bundle.save(Path(scratch))
        return registry.register(Path(scratch), bundle.capability, bundle.version, None)

"""A Kedro project as `kedro models` sees it: who is champion, what MLflow knows, and how a champion is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import project_root
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.models.bundle import Bundle
from cu_pipeline.tracking import registry
from cu_pipeline.tracking.catalog_files import catalog_files, tidy
from cu_pipeline.tracking.champions import told_champion
from cu_pipeline.tracking.known_models import KnownModel, choose, known_models
from cu_pipeline.tracking.mlflow_run import tracking_uri
from cu_pipeline.tracking.opened_project import opened_project
from cu_pipeline.tracking.promotions import Promotion, of_capability
from cu_pipeline.tracking.run_lock import RunLock
from cu_pipeline.tracking.unpulled import check_champions


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
    with opened_project(root, env, RunLock(root, {"deliver"}) if writes else None) as context:
        files = catalog_files(context.config_loader["catalog"])
        if writes:
            tidy(root, files.values())
        check_champions(root, files if writes else (), files)
        yield ModelProject(context.catalog, context.params)


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
            served = self.champion(capability)
            remedy = (
                f"though {served} is its champion: `make run PIPELINES=evaluate,deliver` registers that"
                if served
                else "yet: `make run` trains one"
            )
            place = hide_passwords(tracking_uri(project_root()))
            raise ConfigurationError(f"MLflow, at {place}, knows no model of {capability} {remedy}")
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


def _measured(model: KnownModel, report: dict[str, Any]) -> dict[str, Any] | None:
    shown = report.get(model.capability, {})
    both: list[dict[str, Any]] = [shown, shown.get("challenger", {})]
    return next((one for one in both if one.get("model_version") == model.bundle_version), None)


def _judged(model: KnownModel, report: dict[str, Any]) -> dict[str, Any] | None:
    decision: dict[str, Any] = report.get(model.capability, {})
    return decision if decision.get("challenger") == model.bundle_version else None

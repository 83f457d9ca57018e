"""Every model of a capability that MLflow knows, registered or only logged by the run that trained it."""

import shlex
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.keys import tracking_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.models.bundle import CONFIG, Bundle
from cu_pipeline.tracking import logged_models, registry
from cu_pipeline.tracking.logged_models import LoggedModel
from cu_pipeline.tracking.mlflow_run import configure
from cu_pipeline.tracking.registry import ModelVersion

if TYPE_CHECKING:
    from mlflow.entities import Run

SHORTEST: Final = 4
"""Digits of the beginning of a bundle's version or a run's id that may stand for it."""

Runs = Mapping[str, "Run"]
"""MLflow's runs by id."""


@dataclass(frozen=True)
class KnownModel:
    """One bundle, with all that MLflow tells of it.

    Attributes:
        capability: that it recognises.
        bundle_version: its content hash; "" of what somebody registered by other means.
        number: the registry's; None: it is not registered.
        family: of the model; "" where nothing tells.
        aliases: that it has in the registry.
        runs: id -> name of the runs that trained it; the first is the one that is shown.
        created: when it was first logged or registered.
        metrics: of the test clips of its run: accuracy, macro_f1 and others.
        source: address of its files.
    """

    capability: str
    bundle_version: str
    number: str | None
    family: str
    aliases: tuple[str, ...]
    runs: dict[str, str]
    created: datetime
    metrics: dict[str, float] = field(default_factory=dict)
    source: str = ""

    @property
    def run_name(self) -> str:
        """Name of the run that trained it first."""
        return next(iter(self.runs.values()), "")

    def __str__(self) -> str:
        told = [f"version {self.number}"] if self.number else ["not registered"]
        told += [self.family] if self.family else []
        told += [f"run {self.run_name}"] if self.run_name else []
        return f"{self.bundle_version or 'without a bundle'} ({', '.join(told)})"

    def load(self) -> Bundle:
        """Fetch the bundle.

        Raises:
            BundleError: its files are gone or damaged, or are no bundle of this version.
        """
        with tempfile.TemporaryDirectory() as scratch:
            try:
                folder = registry.fetch(self.source, Path(scratch) / "bundle")
            except (OSError, BundleError) as error:
                raise self._unusable(str(error)) from error
            try:
                bundle = Bundle.load(folder)
            except (OSError, BundleError) as error:
                raise self._unusable("they are gone or damaged") from error
        if bundle.capability != self.capability or (self.bundle_version and bundle.version != self.bundle_version):
            raise BundleError(f"{self.source} holds {bundle.capability} {bundle.version}, not {self.capability} {self}")
        return bundle

    def _unusable(self, reason: str) -> BundleError:
        return BundleError(
            f"{self.capability}: the files of {self} cannot be read from {self.source}: {reason}. Remedy: name another "
            f"model; `kedro models list {shlex.quote(self.capability)}` shows them"
        )


def known_models(capability: str) -> list[KnownModel]:
    """List the models of a capability, the newest first."""
    logged, versions = logged_models.all_of(capability), registry.all_of(capability)
    runs = _runs({one.run_id for one in versions if one.run_id} - {one.run_id for one in logged})
    by_bundle: dict[str, tuple[list[LoggedModel], list[ModelVersion]]] = {}
    for model in reversed(logged):
        by_bundle.setdefault(model.bundle_version, ([], []))[0].append(model)
    for version in versions:
        by_bundle.setdefault(version.bundle_version or f"version {version.version}", ([], []))[1].append(version)
    found = [_known(capability, *both, runs) for both in by_bundle.values()]
    return sorted(found, key=lambda one: (one.created, int(one.number or 0)), reverse=True)


def choose(models: Sequence[KnownModel], word: str) -> KnownModel:
    """Find the one model that a word means.

    Args:
        models: of one capability.
        word: number of the registry, its alias, the beginning of a bundle's version or of a run's id, or a run's name.

    Raises:
        ConfigurationError: it means none of them, or several.
    """
    found = [one for one in models if _is_meant(one, word)]
    if len(found) == 1:
        return found[0]
    listed = [f"  {one}" for one in (found or models)]
    if found:
        raise ConfigurationError(
            "\n".join([f"{word!r} means {len(found)} models; give the bundle's version of one:", *listed])
        )
    allowed = f"a version's number, a bundle's version or its first {SHORTEST} digits, a run's name or id, or an alias"
    raise ConfigurationError("\n".join([f"no model is called {word!r}: give {allowed}. There are:", *listed]))


def _is_meant(model: KnownModel, word: str) -> bool:
    if word == model.number or word in model.aliases or word in model.runs.values():
        return True
    return len(word) >= SHORTEST and any(one.startswith(word) for one in (model.bundle_version, *model.runs))


def _known(capability: str, logged: list[LoggedModel], versions: list[ModelVersion], runs: Runs) -> KnownModel:
    """Put together what is told of one bundle.

    Args:
        capability: that it recognises.
        logged: its models, the oldest first.
        versions: its registered ones, the newest first.
        runs: that the versions name, where no model is logged.
    """
    version = versions[0] if versions else None
    ids = [one.run_id for one in reversed(versions) if one.run_id]
    of_versions = {run_id: runs[run_id] for run_id in ids if run_id in runs}
    named = {one.run_id: one.run_name for one in logged}
    named |= {run_id: str(run.info.run_name) for run_id, run in of_versions.items()}
    source = logged[-1].source if logged else versions[0].source
    return KnownModel(
        capability=capability,
        bundle_version=logged[-1].bundle_version if logged else versions[0].bundle_version,
        number=version.version if version else None,
        family=logged[-1].family if logged else versions[0].tags.get(registry.FAMILY) or _family(source),
        aliases=tuple(sorted({alias for one in versions for alias in one.aliases})),
        runs=named,
        created=min([one.created for one in logged] + [one.created for one in versions]),
        metrics=_metrics(capability, logged, version, of_versions.values()),
        source=source,
    )


def _family(source: str) -> str:
    """Look the family up in a bundle, where MLflow does not tell; "" where there is none."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return str(mlflow.artifacts.load_dict(f"{source}/{CONFIG}").get("family", ""))
    except (MlflowException, OSError, ValueError):
        return ""


def _metrics(
    capability: str, logged: list[LoggedModel], version: ModelVersion | None, runs: "Iterable[Run]"
) -> dict[str, float]:
    """What was measured on test clips: by the LoggedModel, else as the version's tags or its run tell."""
    for one in reversed(logged):
        if one.metrics:
            return one.metrics
    tagged = {name: float(version.tags[name]) for name in logged_models.TOLD if name in version.tags} if version else {}
    if tagged:
        return tagged
    place = f"{tracking_key(capability)}/test/"
    measured: dict[str, float] = {}
    for run in runs:
        measured |= {key.removeprefix(place): value for key, value in run.data.metrics.items() if key.startswith(place)}
    return measured


def _runs(ids: Iterable[str]) -> "dict[str, Run]":
    """Fetch runs; what was deleted is left out."""
    configure(project_root())
    import mlflow
    from mlflow.exceptions import MlflowException

    client, found = mlflow.MlflowClient(), {}
    for run_id in ids:
        try:
            found[run_id] = client.get_run(run_id)
        except MlflowException:
            continue
    return found


def to_json(model: KnownModel, *, champion: bool) -> dict[str, Any]:
    """Write it for programs."""
    return {
        "capability": model.capability,
        "bundle_version": model.bundle_version,
        "number": model.number,
        "family": model.family,
        "champion": champion,
        "aliases": list(model.aliases),
        "runs": model.runs,
        "created": model.created.astimezone(UTC).isoformat(timespec="seconds"),
        "metrics": model.metrics,
    }

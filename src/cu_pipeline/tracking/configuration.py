"""How Kedro reads this project's configuration: recorded parameters inside a DVC stage, faults told in words."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.context import KedroContext
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.stores import StoresOptions
from cu_pipeline.tracking import params_file, yaml_files
from cu_pipeline.tracking.given_texts import GIVEN_TEXTS, with_texts
from cu_pipeline.tracking.overrides import (
    PERSONAL,
    Conf,
    Ended,
    Recorded,
    RunParameters,
    brought_up_to_date,
    this_checkout,
)
from cu_pipeline.tracking.parameter_trees import lay_over
from cu_pipeline.tracking.project_feed import with_feed
from cu_pipeline.tracking.remembered_files import remembered

_MOVED: Final = {"workers": "compute.workers"}
"""Top-level parameters of earlier versions -> what takes their place."""


class ProjectContext(KedroContext):
    """Kedro's context, whose parameters are refused with every problem named in words."""

    @property
    def params(self) -> dict[str, Any]:
        """The parameters as the models that the nodes' type hints ask for.

        Raises:
            ConfigurationError: a parameter is unknown or has a value that is not allowed.
        """
        models = self._parameter_models()
        loader = self.config_loader
        loader.runtime_params = with_texts(loader.runtime_params, loader["parameters"], models, GIVEN_TEXTS.get())
        raw = loader["parameters"]
        problems = [*unknown_keys(raw, self.config_loader.base_parameters()), *model_problems(raw, models)]
        if problems:
            raise ConfigurationError(problems)
        return with_models(raw, models)

    def _parameter_models(self) -> dict[str, type[BaseModel]]:
        from kedro.framework.project import pipelines
        from kedro.validation.type_extractor import TypeExtractor

        from cu_pipeline.labeling.options import LabelOptions
        from cu_pipeline.tracking.retention.project import RetentionOptions

        names = self._pipelines_to_validate or list(pipelines)
        hints = TypeExtractor({name: pipelines[name] for name in names}).extract_types_from_pipelines()
        models: dict[str, type[BaseModel]] = {
            name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, BaseModel)
        }
        if any(name.startswith("label.") for name in models):  # whose nodes take parts of the group, none the whole
            models["label"] = LabelOptions
        no_node_takes: dict[str, type[BaseModel]] = {"retention": RetentionOptions, "stores": StoresOptions}
        known = self.config_loader["parameters"]
        models |= {name: model for name, model in no_node_takes.items() if name in known}
        return models


def with_models(parameters: dict[str, Any], models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """Replace the groups of parameters that have a model by it.

    A model inside a group that has a model itself comes from that one.

    Args:
        parameters: the raw parameters, which fit the models.
        models: parameter (dots for nesting) -> model.
    """
    checked = deepcopy(parameters)
    for name, model in models.items():
        if any(name.startswith(f"{other}.") for other in models):
            continue
        *path, last = name.split(".")
        group = checked
        for part in path:
            group = group[part]
        group[last] = model.model_validate(group[last])
    return checked


def unknown_keys(parameters: dict[str, Any], known: Iterable[str]) -> Iterator[str]:
    """Name the top-level parameters that no file of `conf/base` has.

    >>> list(unknown_keys({"colect": {}}, ["collect", "seed"]))
    ["parameter 'colect' is unknown: did you mean 'collect'? Allowed: collect, seed"]
    >>> list(unknown_keys({"workers": 2}, ["compute", "seed"]))
    ["parameter 'workers' has moved: give 'compute.workers' in its place"]
    """
    allowed = sorted(known)
    for name in parameters:
        if name in _MOVED and name not in allowed:
            yield f"parameter {name!r} has moved: give {_MOVED[name]!r} in its place"
        elif name not in allowed:
            yield _unknown(name, name, allowed)


def model_problems(parameters: dict[str, Any], models: dict[str, type[BaseModel]]) -> Iterator[str]:
    """Say what is wrong with each parameter that does not fit its model.

    Args:
        parameters: the raw parameters.
        models: parameter (dots for nesting) -> the model that a node asks for.
    """
    seen = set()
    for name, model in sorted(models.items()):
        value: Any = parameters
        for part in name.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        try:
            model.model_validate(value)
        except ValidationError as error:
            for fault in error.errors():
                if (problem := _describe(name, model, fault)) not in seen:
                    seen.add(problem)
                    yield problem


def _describe(name: str, model: type[BaseModel], fault: Any) -> str:
    place = [str(part) for part in fault["loc"]]
    path = ".".join([name, *place])
    if fault["type"] == "extra_forbidden":
        return _unknown(path, place[-1], _fields(model, fault["loc"][:-1]))
    if fault["type"] == "missing":
        return f"parameter {path!r} is missing: give it in conf/base or with --params"
    message = fault["msg"].removeprefix("Value error, ")
    said = message[:1].lower() + message[1:]
    if isinstance(fault["input"], dict):  # a fault of a group as a whole, whose message names what is wrong in it
        return f"parameter {path!r}: {said}"
    return f"parameter {path!r} = {hide_passwords(repr(fault['input']))}: {said}"


def _unknown(path: str, key: str, allowed: list[str]) -> str:
    near = get_close_matches(key, allowed, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"parameter {path!r} is unknown: {hint}Allowed: {', '.join(allowed)}"


def _fields(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """List the keys that are allowed at `place` inside `model`, as its JSON schema tells."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    node = schema
    for part in place:
        properties = node.get("properties", {})
        node = properties.get(part) or node.get("additionalProperties") or node.get("items") or {}
        options = [node, *node.get("anyOf", []), *node.get("oneOf", [])]
        references = [option["$ref"] for option in options if "$ref" in option]
        node = definitions[references[0].rsplit("/", 1)[-1]] if references else node
    return sorted(node.get("properties", {}))


def _fault(conf: Path, error: Exception) -> str:
    """Say what is wrong in the files of `conf`, with file and line where it is YAML."""
    cause = next((one for one in (error.__cause__, error) if isinstance(one, yaml.YAMLError)), None)
    named = sorted(path for path in conf.rglob("*.y*ml") if cause and path.as_posix() in str(error))
    if not named:
        return f"{conf} cannot be used: {' '.join(str(error).split())}"
    text = named[0].read_text(encoding="utf-8", errors="replace")
    return yaml_files.problem(text, named[0].relative_to(conf.parent).as_posix(), cause)


STAGE_VARIABLE = "DVC_STAGE"
"""Set by DVC while it runs a stage's command."""


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader, which knows the project's feed and, inside a DVC stage, what was recorded for `dvc repro`.

    Inside a stage, parameters are `conf/base` with what `params.yaml` records laid over it, as far as no edit of
    `conf/` has ended that.
    In the catalog, `${environment:}` is the environment that a run can write parameters for: its own, but never the
    base one. `${store:NAME}` is a parameter under `stores`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._register_own_resolvers()

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Read a kind of configuration.

        Raises:
            ConfigurationError: there is no such environment, or a file has an unresolved merge or other faults.
        """
        if key != "parameters":
            with self._faults_told(), self._stores_told():
                return self._remembered(key) if key == "catalog" else super().__getitem__(key)
        if STAGE_VARIABLE in os.environ:
            recorded, _ = self.up_to_date()
            return lay_over(self.base_parameters(), recorded.changes)
        with self._faults_told():
            found = self._remembered(key)
        return with_feed(found, params_file.read(self.root), self.root)

    def _remembered(self, key: str) -> dict[str, Any]:
        read = super().__getitem__
        if any(one in self for one in (key, "globals")):  # set by the caller
            self._register_own_resolvers()
            return read(key)
        return self._of_files(self.env or self.default_run_env, key, self.runtime_params, lambda: read(key))

    def _register_own_resolvers(self) -> None:
        """Let what is read next be resolved by this loader: resolvers are the process's, and another one may be new."""
        OmegaConf.register_new_resolver("environment", self._own_environment, replace=True)
        OmegaConf.register_new_resolver("store", self._store_setting, replace=True)

    @property
    def root(self) -> Path:
        """The project's folder."""
        return Path(self.conf_source).parent

    @property
    def checkout(self) -> str:
        """Which checkout of the project this is."""
        return this_checkout(self.root)

    def base_parameters(self) -> dict[str, Any]:
        """Read the parameters of the base environment alone, without `--params`."""
        return with_feed(self._of(self.base_env, "parameters"), {}, self.root)

    def base_catalog(self) -> dict[str, Any]:
        """Read the catalog of the base environment alone."""
        return self._of(self.base_env, "catalog")

    def run_parameters(self) -> RunParameters:
        """Read the parameters of a run, and what of them `conf/` states."""
        environment = self.env or self.default_run_env
        return RunParameters(self._conf([environment]), environment, self["parameters"])

    def up_to_date(self) -> tuple[Recorded, list[Ended]]:
        """Read what is in force for `dvc repro`: what was recorded, as far as no edit of `conf/` has ended it."""
        recorded = params_file.read_record(self.root)
        named = {PERSONAL, *recorded.environments.values()}
        folders = [name for name in sorted(named) if (Path(self.conf_source) / name).is_dir()]
        return brought_up_to_date(recorded, self._conf(folders))

    def _store_setting(self, name: str) -> Any:
        return getattr(self._stores, name)

    @contextmanager
    def _stores_told(self) -> Iterator[None]:
        """Let a wrong parameter under `stores` be told as one, and not as a fault of the catalog that reads it."""
        try:
            yield
        except OmegaConfBaseException:
            self._stores  # noqa: B018 - raises what is wrong with it
            raise

    @cached_property
    def _stores(self) -> StoresOptions:
        found = self["parameters"].get("stores") or {}
        try:
            return StoresOptions.model_validate(found)
        except ValidationError as error:
            raise ConfigurationError(list(model_problems({"stores": found}, {"stores": StoresOptions}))) from error

    def _own_environment(self) -> str:
        given = self.env or self.default_run_env
        return PERSONAL if given == self.base_env else given

    def _conf(self, environments: Iterable[str]) -> Conf:
        found = {name: with_feed(self._of(name, "parameters"), {}, self.root) for name in environments}
        return Conf(self.base_parameters(), found, self.checkout)

    def _of(self, environment: str, key: str) -> dict[str, Any]:
        """Read an environment over the base one."""
        loader = OmegaConfigLoader(
            self.conf_source,
            env=environment,
            base_env=self.base_env,
            default_run_env=environment,
            config_patterns=self.config_patterns,
            merge_strategy=self.merge_strategy,
        )
        with self._faults_told():
            return self._of_files(environment, key, {}, lambda: loader[key])

    def _of_files(
        self, environment: str, key: str, given: dict[str, Any], read: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """What reading an environment's files gives; it is not read again while no file has changed."""

        def resolved() -> dict[str, Any]:
            self._register_own_resolvers()
            return read()

        folder = Path(self.conf_source)
        if not folder.is_dir() or self._custom_resolvers:  # an archive, or values that come from elsewhere
            return resolved()
        own = (self._own_environment(), self._stores) if key == "catalog" else ()
        terms = (self.conf_source, self.base_env, environment, key, given, self.config_patterns, self.merge_strategy)
        return remembered([folder / self.base_env, folder / environment], (*terms, own), resolved)

    @contextmanager
    def _faults_told(self) -> Iterator[None]:
        folder = Path(self.conf_source)
        for env in {self.base_env, self.env or self.default_run_env}:
            if folder.is_dir() and not (folder / env).is_dir():
                allowed = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir()))
                raise ConfigurationError(f"environment {env!r} is unknown: {folder} has {allowed}")
        try:
            yield
        except (yaml.YAMLError, OmegaConfBaseException, ValueError) as error:
            raise ConfigurationError(_fault(folder, error)) from error

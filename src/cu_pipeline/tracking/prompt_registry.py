"""Prompts in MLflow: the trials that compared them, and the versions, of which the best has the alias champion."""

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kedro.io import AbstractDataset, DatasetError

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.json_lines import append_lines
from cu_pipeline.core.keys import registry_key
from cu_pipeline.core.paths import project_root
from cu_pipeline.llm.labels.recipes import Champion, ChampionOf
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.tracking.mlflow_run import configure, log_pictures

if TYPE_CHECKING:
    from mlflow import MlflowClient


_PARAMETERS: Final = ("prompt", "method", "form", "shots", "version")
_METRICS: Final = (
    "accuracy",
    "macro_f1",
    "ece",
    "unparsed",
    "unanswered",
    "usd_per_1000_clips",
    "tokens_per_clip",
    "seconds_per_clip",
    "p_value",
    "p_adjusted",
    "p_base_rate",
)


def log_trials(results: dict[str, Any], figure: bytes, page: str) -> None:
    """Log each trial of the prompt lab as a run inside the active one, and what compares them.

    Args:
        results: the `prompt_results` dataset.
        figure: PNG.
        page: HTML.
    """
    configure(project_root())
    import mlflow

    log_pictures([("quality_and_cost.png", figure)], "figures")
    mlflow.log_dict(results, "prompts.json")
    mlflow.log_text(page, "prompts.html")
    decision = results["decision"]
    mlflow.set_tags({"prompts.decision": decision["reason"], "prompts.chosen": decision["chosen"]})
    for row in results["trials"]:
        tags = {"capability": results["capability"], "client": results["client"], "chosen": str(row["chosen"]).lower()}
        with mlflow.start_run(run_name=row["name"], nested=True, tags=tags):
            mlflow.log_params({name: row[name] for name in _PARAMETERS})
            low, high = row["ci95"]
            metrics = {name: row[name] for name in _METRICS if row[name] is not None}
            mlflow.log_metrics(metrics | {"accuracy_low": low, "accuracy_high": high})
            for order, accuracy in enumerate(row["orders"]):
                mlflow.log_metric("accuracy_by_order", accuracy, step=order)
            mlflow.log_text(row["template"], "prompt.j2")


CHAMPION: Final = "champion"
LEDGER: Final = "data/06_models/prompt_promotions.jsonl"

_PREFIX: Final = "cu-pipeline.label."
_KEY: Final = "sha256"
_RECIPE: Final = "recipe"
_CLIENT: Final = "client"


def prompt_name(capability: str) -> str:
    """Name a capability's prompt in the registry.

    >>> prompt_name("topic"), prompt_name("is it safe?")
    ('cu-pipeline.label.topic', 'cu-pipeline.label.is-it-safe-1b916ebcdb')
    """
    return f"{_PREFIX}{registry_key(capability)}"


def _known_name(capability: str) -> str:
    """The prompt's name, or that of earlier versions where it is registered under that."""
    plain = re.sub(r"[^\w.-]", "-", capability, flags=re.ASCII)
    earlier = _PREFIX + (plain if plain == capability else f"{plain}-{text_sha256(capability)[:6]}")
    name = prompt_name(capability)
    return name if name == earlier or _client().get_prompt(earlier) is None else earlier


def register_template(capability: str, prompt: str, template: str) -> str:
    """Register a prompt's file, once for each content, and give the registry's version."""
    tags = {"prompt": prompt, _KEY: text_sha256(template)}
    return _register(capability, template, tags, f"prompt {prompt}")


def promote(capability: str, recipe: Recipe, client: str, reason: str) -> str:
    """Make a recipe the champion, registering it if need be, and append a change to the ledger.

    Args:
        capability: whose champion it becomes.
        recipe: prompt and method.
        client: identity of the model with which it was found.
        reason: for people who read the ledger.

    Returns:
        The registry's version.
    """
    tags = {
        "prompt": recipe.prompt,
        "method": recipe.method,
        _CLIENT: client,
        _RECIPE: recipe.model_dump_json(),
        _KEY: text_sha256(client + recipe.version),
    }
    version = _register(capability, recipe.template, tags, recipe.name)
    before = _by_alias(capability)
    if before is None or str(before.version) != version:
        _append_to_ledger(capability, None if before is None else str(before.version), version, reason)
        _client().set_prompt_alias(_known_name(capability), CHAMPION, int(version))
    return version


def _append_to_ledger(capability: str, before: str | None, after: str, reason: str) -> None:
    """Note a change of champion, by the registry's versions, and put it on the disk."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"time": time, "capability": capability, "from": before, "to": after, "reason": reason}
    append_lines(project_root() / LEDGER, [json.dumps(entry, ensure_ascii=False)])


def champion(capability: str) -> Champion | None:
    """Look up what the alias champion marks; None where it marks nothing, or a prompt without a method."""
    found = _by_alias(capability)
    if found is None or _RECIPE not in found.tags:
        return None
    return Champion(Recipe.model_validate_json(found.tags[_RECIPE]), found.tags[_CLIENT])


def _register(capability: str, template: str, tags: dict[str, str], message: str) -> str:
    client, name = _client(), _known_name(capability)
    if client.get_prompt(name) is not None:
        for known in client.search_prompt_versions(name, max_results=1000):
            if known.tags.get(_KEY) == tags[_KEY]:
                return str(known.version)
    return str(client.register_prompt(name, template, commit_message=message, tags=tags).version)


def _by_alias(capability: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return _client().get_prompt_version_by_alias(_known_name(capability), CHAMPION)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _client() -> "MlflowClient":
    configure(project_root())
    import mlflow

    return mlflow.MlflowClient()


class ChampionPrompts(AbstractDataset[Any, ChampionOf]):
    """The champions of the prompt registry: loading gives a function, which asks the registry when it is called.

    Args:
        filepath: where the registry lies unless `MLFLOW_TRACKING_URI` says otherwise; not read directly.
        metadata: ignored here; read by the generator of `dvc.yaml`.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> ChampionOf:
        """Load a function from a capability to its champion, or None when it has none."""
        return champion

    def save(self, data: Any) -> None:
        """Refuse: champions change by promotion only."""
        given = type(data).__name__
        raise DatasetError(f"champion prompts are not saved ({given} given): run the prompts pipeline instead")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}

    def _exists(self) -> bool:
        return True

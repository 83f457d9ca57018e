"""The parameters of a run that people compare, written alike whatever pipelines read them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml
from pydantic import BaseModel

from cu_pipeline.core.addresses import hide_passwords
from cu_pipeline.core.keys import tracking_key
from cu_pipeline.tracking.parameter_trees import difference

FILE: Final = "parameters.yml"
"""Name of the artifact with all parameters of a run."""

COMPARED: Final = (
    "capabilities",
    "collect.manifest",
    "evaluate.gate",
    "evaluate.gate_alpha",
    "featurize.extractors",
    "label.champion.enabled",
    "label.guarantee",
    "label.llm.enabled",
    "label.llm.method",
    "label.llm.prompt",
    "label.people.method",
    "seed",
    "train",
)
"""Groups and parameters that decide what a model is and whether it is promoted. Of others, those that differ from
`conf/base` are logged too."""

_WORDS: Final = ("description", "class_descriptions")
"""Parameters of a capability that are for people and prompts; too long to be compared."""

_NONE: Final = "none"
_DEFAULTS: Final = "defaults"


def compared(parameters: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """Choose the parameters that say what is particular of a run, as text.

    Args:
        parameters: as they are configured, not as nodes get them: these hold their defaults only where their
            pipelines run.
        base: those of `conf/base`.

    Returns:
        Key (dots for nesting, as MLflow takes it) -> value.
    """
    shown = {name: _in_use(name, group) for name, group in parameters.items()}
    edited = set(flatten(difference(dict(base), dict(parameters))))
    return {
        key: written(value)
        for key, value in flatten(shown).items()
        if key in edited or (is_compared(key) and key.rpartition(".")[2] not in _WORDS)
    }


def is_compared(key: str) -> bool:
    """Whether a parameter is one of those that decide what a model is, or whether it is promoted."""
    return any(key == group or key.startswith(f"{group}.") for group in COMPARED)


def _in_use(name: str, group: Any) -> Any:
    """Leave out the parameters of model families that the run cannot choose."""
    if name != "train" or not isinstance(group, Mapping):
        return group
    from cu_pipeline.models.families import AUTO, FAMILIES, TrainOptions

    options = TrainOptions.model_validate(group)
    unused = set(FAMILIES) - set(options.candidates) | (set() if options.family == AUTO else {AUTO})
    return {key: value for key, value in group.items() if key not in unused}


def written(value: Any) -> str:
    """Write a value as one reads it; what means the same is written alike.

    >>> [written(value) for value in (31, 31.0, "sample", ["sample"], [10.0, 0.5], True, None, [], {})]
    ['31', '31', 'sample', 'sample', '10, 0.5', 'true', 'none', 'none', 'defaults']
    """
    if value is None or value == []:
        return _NONE
    if value == {}:
        return _DEFAULTS
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(written, value))
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {written(item)}" for key, item in value.items())
    return hide_passwords(str(value))


def everything(text: str) -> dict[str, str]:
    """List all parameters that `as_yaml` wrote, as `compared` writes them."""
    return {key: written(value) for key, value in flatten(yaml.safe_load(text)).items()}


def as_yaml(parameters: Mapping[str, Any]) -> str:
    """Write all parameters as YAML; passwords in addresses are left out."""
    return hide_passwords(yaml.safe_dump(_plain(parameters), sort_keys=True, allow_unicode=True))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Write nested parameters as one mapping of keys that MLflow takes; empty groups and lists stay as values.

    >>> flatten({"a": {"b": 1, "c": {}}, "d": [1, 2]})
    {'a.b': 1, 'a.c': {}, 'd': [1, 2]}
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if not isinstance(value, Mapping) or not value:
        return {prefix: value} if prefix else {}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= flatten(item, f"{prefix}.{tracking_key(str(key))}" if prefix else tracking_key(str(key)))
    return flat

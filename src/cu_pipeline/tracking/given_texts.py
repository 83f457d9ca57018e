"""Parameters of `--params` that are texts though they look like numbers: `21`, `1e3`, `true`, `null`."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from cu_pipeline.tracking.parameter_trees import lay_over, look_up, nested

GIVEN_TEXTS: ContextVar[Mapping[str, str]] = ContextVar("GIVEN_TEXTS", default=MappingProxyType({}))
"""Dotted parameter -> its value as typed after `--params`; without it `21` and `1e3` are numbers for good."""


def with_texts(
    given: dict[str, Any], parameters: dict[str, Any], models: dict[str, type[BaseModel]], texts: Mapping[str, str]
) -> dict[str, Any]:
    """Take a given parameter as the text that was typed where its model refuses the number that it looks like.

    Args:
        given: parameters of `--params`, nested.
        parameters: all of them, with what is given.
        models: parameter (dots for nesting) -> the model that a node asks for.
        texts: dotted parameter -> what was typed.
    """
    for path, text in texts.items():
        if not _refused(path, parameters, models):
            continue
        changes = nested(path, _as_text(text))
        if not _refused(path, lay_over(parameters, changes), models):
            given, parameters = (lay_over(one, changes) for one in (given, parameters))
    return given


def _as_text(text: str) -> Any:
    """Read a value with every scalar in it as a text: `[1,true]` is a list of two texts."""
    try:
        return yaml.load(text, Loader=yaml.BaseLoader) if text[:1] in {"[", "{"} else text  # noqa: S506 - makes texts only
    except yaml.YAMLError:
        return text


def _refused(path: str, parameters: dict[str, Any], models: dict[str, type[BaseModel]]) -> bool:
    """Whether a model refuses what the parameters have at `path`."""
    for name, model in models.items():
        if not path.startswith(f"{name}."):
            continue
        try:
            model.model_validate(look_up(parameters, name))
        except ValidationError as error:
            places = (".".join([name, *map(str, fault["loc"])]) for fault in error.errors())
            if any(f"{place}.".startswith(f"{path}.") for place in places):
                return True
        except KeyError:
            continue
    return False

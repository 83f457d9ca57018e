"""Taking what is wanted out of a server's JSON, which may be anything."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cu_pipeline.llm.clients.formats import pick
from cu_pipeline.llm.clients.retries import UnusableError


def field(record: Any, name: str) -> Any:
    """Give a field that must be there."""
    if not isinstance(record, Mapping) or record.get(name) is None:
        raise UnusableError(f"the reply has no {name}")
    return record[name]


def items(record: Any, name: str) -> list[Any]:
    """Give a field that must be a list with something in it."""
    found = field(record, name)
    if not isinstance(found, list) or not found:
        raise UnusableError(f"the reply has no list of {name}")
    return found


def text_of(record: Any, name: str) -> str:
    """Give a field that must be a text."""
    found = field(record, name)
    if not isinstance(found, str):
        raise UnusableError(f"the reply's {name} is no text")
    return found


def written(text: str, choices: Sequence[str]) -> str:
    """Give what a model wrote, or the choice in it if there are choices."""
    if not choices:
        return text.strip()
    try:
        return pick(text, choices)
    except ValueError as error:
        raise UnusableError(str(error)) from error


def total(logprobs: Sequence[Any]) -> float:
    """Add log-probabilities up."""
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and one <= 1e-6 for one in logprobs):
        raise UnusableError("the reply's log-probabilities are none")
    return math.fsum(logprobs)

"""What stands in a cell for a label: a class, several, a list of them, or the word that none applies."""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cu_pipeline.core.capability import NONE, NOT_APPLICABLE, SEPARATOR, Kind, join_label, name_problem
from cu_pipeline.core.caption_text import clean_name, folded_name

_TEXT: Final = r"""(?:'[^']*'|"[^"]*")"""
_PYTHON_LIST: Final = re.compile(rf"\[\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*,?\s*\]")
_LOOKS_LIKE_A_LIST: Final = re.compile(r"""\[\s*['"].*\]""", re.DOTALL)


def read_label(given: Any, kind: Kind, shown: str) -> str:
    """Read a label as tables keep it; "" where nothing is said.

    Of a multi-label capability the classes are a list or joined by a bar, and no class is an empty list or `none`, in
    any case. Of a single-label one a list holds one class at most. Names are cleaned. `not_applicable`, in any case,
    stands alone.

    Args:
        given: a text, a number, a list, or None; a text may be a list in JSON, or as Python prints it.
        kind: of the capability.
        shown: column and value, for messages.

    Raises:
        ValueError: it is none of that, names several classes where one holds, or a class cannot be called so.

    >>> read_label('["violence", "advert"]', Kind.MULTI, ""), read_label("[]", Kind.MULTI, "")
    ('advert|violence', 'none')
    """
    listed = _as_list(given, shown)
    if listed is None:
        text = _name(given, shown)
        parts = text.split(SEPARATOR) if kind is Kind.MULTI else [text]
    else:
        parts = [_name(part, shown) for part in _leaves(listed)]
        if not parts:  # a list of nothing but None says nothing; an empty one says that nothing applies
            return NONE if kind is Kind.MULTI else ""
    names = list(dict.fromkeys(name for name in map(clean_name, parts) if name))
    if not names:
        return ""
    if NOT_APPLICABLE in map(folded_name, names):
        if len(names) > 1:
            raise ValueError(f"{shown}: {NOT_APPLICABLE!r} stands alone: leave it out, or the classes")
        return NOT_APPLICABLE
    if kind is Kind.SINGLE and len(names) > 1:
        remedy = "give one, or say `kind: multi` of the capability"
        raise ValueError(f"{shown} names {len(names)} classes where exactly one holds: {remedy}")
    if kind is Kind.MULTI:
        names = [name for name in names if folded_name(name) != NONE]
    for name in names:
        if problem := name_problem(name, kind):
            raise ValueError(f"{shown}: {problem}")
    return join_label(names, kind)


def _as_list(given: Any, shown: str) -> Sequence[Any] | None:
    """Read a list, also one that was written as text; None for what is none."""
    if isinstance(given, list | tuple):
        return given
    text = given.strip() if isinstance(given, str) else ""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if _PYTHON_LIST.fullmatch(text):
            return list(ast.literal_eval(text))
        if _LOOKS_LIKE_A_LIST.fullmatch(text):
            raise ValueError(
                f"{shown} looks like a list and is not JSON: write it as advert{SEPARATOR}violence"
            ) from None
        return None
    return found if isinstance(found, list) else None


def _leaves(listed: Sequence[Any]) -> Iterator[Any]:
    for part in listed:
        if isinstance(part, list | tuple):
            yield from _leaves(part)
        else:
            yield part


def _name(value: Any, shown: str) -> str:
    """Write a single value as text."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        raise ValueError(f"{shown}: label {value!r} is not a text, a number or a list of classes")
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

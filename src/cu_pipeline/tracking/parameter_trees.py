"""Parameters as nested mappings: what lies at a dotted key, how two differ, and one laid over another."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

Keys = tuple[str, ...]
"""Keys from the outermost to the innermost; unlike a dotted key they may have dots in them."""


def outermost(keys: Iterable[str]) -> set[str]:
    """Leave out the keys that lie inside another: who reads `label` reads `label.people` too.

    >>> sorted(outermost(["label.people", "label", "labels", "train.fusion"]))
    ['label', 'labels', 'train.fusion']
    """
    found = set(keys)
    return {key for key in found if not any(key.startswith(f"{other}.") for other in found)}


def look_up(content: Any, key: str) -> Any:
    """Find what `content` has at a dotted key.

    Raises:
        KeyError: it has nothing there.
    """
    for part in key.split("."):
        if not isinstance(content, dict):
            raise KeyError(key)
        content = content[part]
    return content


def difference(base: Any, resolved: Any) -> Any:
    """Find what must be laid over `base` to get `resolved`: nested for mappings, else the value.

    >>> difference({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2, "d": 4}})
    {'b': {'d': 4}}
    """
    if not (isinstance(base, dict) and isinstance(resolved, dict)):
        return resolved
    return {
        key: difference(base.get(key), value)
        for key, value in resolved.items()
        if key not in base or value != base[key]
    }


def lay_over(base: Any, changes: Any) -> Any:
    """Apply `changes` to `base`: the inverse of `difference`.

    >>> lay_over({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 4}})
    {'a': 1, 'b': {'c': 2, 'd': 4}}
    """
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return deepcopy(changes)
    merged = deepcopy(base)
    for key, value in changes.items():
        merged[key] = lay_over(base.get(key), value)
    return merged


def nested(key: str, value: Any) -> Any:
    """Put a value at a dotted key.

    >>> nested("a.b", 1)
    {'a': {'b': 1}}
    """
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def without(content: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """Leave out what lies at a path.

    >>> without({"a": {"b": 1, "c": 2}, "d": 3}, ["a", "b"])
    {'a': {'c': 2}, 'd': 3}
    """
    first, *rest = path
    if rest and isinstance(content.get(first), dict):
        return content | {first: without(content[first], rest)}
    return {key: value for key, value in content.items() if rest or key != first}


def pruned(value: Any) -> Any:
    """Leave out empty mappings, also those that hold nothing else.

    >>> pruned({"a": {"b": {}}, "c": {"d": 1, "e": {}}})
    {'c': {'d': 1}}
    """
    if not isinstance(value, dict):
        return value
    inside = {key: pruned(inner) for key, inner in value.items()}
    return {key: inner for key, inner in inside.items() if inner != {}}


def leaves(content: Any, place: Keys = ()) -> dict[Keys, Any]:
    """List what is no mapping, or an empty one, by its keys from the outermost to the innermost.

    >>> leaves({"a": {"b": 1, "c.d": [2]}, "e": {}})
    {('a', 'b'): 1, ('a', 'c.d'): [2], ('e',): {}}
    """
    if not isinstance(content, dict) or not (content or not place):
        return {place: content}
    return {inner: value for key, item in content.items() for inner, value in leaves(item, (*place, key)).items()}


def nested_at(place: Keys, value: Any) -> Any:
    """Put a value where `leaves` found it."""
    for part in reversed(place):
        value = {part: value}
    return value


def value_at(content: Any, place: Keys) -> Any:
    """Find what lies where `leaves` found a value; None where there is nothing."""
    for part in place:
        content = content.get(part) if isinstance(content, dict) else None
    return content


def dotted(keys: Keys) -> str:
    """Write keys as they are given on a command line."""
    return ".".join(map(str, keys))

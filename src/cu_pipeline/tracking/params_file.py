"""What the last recorded runs changed in the parameters of `conf/base`, kept in `params.yaml`.

DVC compares this file and `conf/base` to know which stages are stale, so a run with `--params` or another
environment is repeated by `dvc repro` as it was. Each key holds the changes of one parameter or group: `{}` (or
null, at the top) means as in `conf/base`. DVC refuses a file that lacks a key which a stage names, so each is there.
"""

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

from cu_pipeline.core.atomic import write_text
from cu_pipeline.tracking import yaml_files

FILE_NAME: Final = "params.yaml"

_HEADER: Final = """\
# What the last recorded runs changed in conf/base: written by `kedro run`, read by `dvc repro`.
# {} or null: nothing. Change parameters in conf/ or with --params, not here.
"""


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


def read(root: Path) -> dict[str, Any]:
    """Read the recorded changes of the project at `root`, without the keys that change nothing.

    Raises:
        ConfigurationError: the file has an unresolved merge, or is no YAML mapping.
    """
    content = yaml_files.read(root / FILE_NAME)
    changes = {key: value for key, value in content.items() if value is not None}
    pruned: dict[str, Any] = _prune(changes)
    return pruned


def render(base: dict[str, Any], changes: dict[str, Any], compared: Iterable[str] = ()) -> str:
    """Write the file's text: every key of `base` and every dotted key that stages compare, sorted, with its changes."""
    content: dict[str, Any] = {key: {} if isinstance(value, dict) else None for key, value in base.items()}
    for key in compared:
        if "." in key:
            content = lay_over(content, nested(key, {}))
    content = lay_over(content, {key: value for key, value in changes.items() if key in base})
    return _HEADER + yaml.safe_dump(content, sort_keys=True, allow_unicode=True)


def record(
    root: Path, base: dict[str, Any], resolved: dict[str, Any], used: Iterable[str], compared: Iterable[str] = ()
) -> None:
    """Write what `resolved` changes in `base`, for what the run used.

    Args:
        root: the project's folder.
        base: the parameters of `conf/base`.
        resolved: those of the run.
        used: keys, dotted or not, that the run read. The changes of others stay as the runs that used them left them.
        compared: the keys that `dvc.yaml` names.
    """
    changes, new = read(root), difference(base, resolved)
    for key in outermost(used):
        changes = _without(changes, key.split("."))
        try:
            changes = lay_over(changes, nested(key, look_up(new, key)))
        except KeyError:
            continue  # as in conf/base
    text = render(base, changes, compared)
    path = root / FILE_NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def nested(key: str, value: Any) -> Any:
    """Put a value at a dotted key.

    >>> nested("a.b", 1)
    {'a': {'b': 1}}
    """
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _without(content: dict[str, Any], path: list[str]) -> dict[str, Any]:
    first, *rest = path
    if rest and isinstance(content.get(first), dict):
        return content | {first: _without(content[first], rest)}
    return {key: value for key, value in content.items() if rest or key != first}


def _prune(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    pruned = {key: _prune(inner) for key, inner in value.items()}
    return {key: inner for key, inner in pruned.items() if inner != {}}

"""What the last recorded runs changed in the parameters of `conf/base`, kept in `params.yaml`.

DVC compares this file and `conf/base` to know which stages are stale, so a run with `--params` or another
environment is repeated by `dvc repro` as it was. Each top-level key holds the changes of one group of
parameters: `{}` (or null where the parameter is no group) means as in `conf/base`.
"""

from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import yaml

from cu_pipeline.core.atomic import write_text
from cu_pipeline.core.errors import ConfigurationError

FILE_NAME: Final = "params.yaml"

_HEADER: Final = """\
# What the last recorded runs changed in conf/base: written by `kedro run`, read by `dvc repro`.
# {} or null: nothing. Change parameters in conf/ or with --params, not here.
"""


def difference(base: Any, resolved: Any) -> Any:
    """Give what must be laid over `base` to get `resolved`: nested for mappings, else the value.

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
    """Give `base` with `changes` applied: the inverse of `difference`.

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
    """Give the recorded changes of the project at `root`, without the keys that change nothing.

    Raises:
        ConfigurationError: the file is no YAML mapping.
    """
    path = root / FILE_NAME
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is no YAML ({error}): delete it and run again") from error
    if not isinstance(content or {}, dict):
        raise ConfigurationError(f"{path} is no mapping of parameters: delete it and run again")
    return {key: value for key, value in (content or {}).items() if value not in (None, {})}


def render(base: dict[str, Any], changes: dict[str, Any]) -> str:
    """Give the file's text: every key of `base`, sorted, with its changes."""
    content = {key: changes.get(key, {} if isinstance(base[key], dict) else None) for key in sorted(base)}
    return _HEADER + yaml.safe_dump(content, sort_keys=True, allow_unicode=True)


def record(root: Path, base: dict[str, Any], resolved: dict[str, Any], keys: Iterable[str]) -> None:
    """Write what `resolved` changes in `base`, for the top-level `keys` that the run used.

    The changes of other keys stay as the runs that used them left them.
    """
    used = set(keys)
    kept = {key: value for key, value in read(root).items() if key not in used}
    changed = {key: value for key, value in difference(base, resolved).items() if key in used}
    text = render(base, kept | changed)
    path = root / FILE_NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)

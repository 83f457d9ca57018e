"""What the last recorded runs changed in the parameters of `conf/base`, kept in `params.yaml`.

DVC compares this file and `conf/base` to know which stages are stale, so a run with `--params` or another
environment is repeated by `dvc repro` as it was. Each key holds the changes of one parameter or group: `{}` (or
null, at the top) means as in `conf/base`. DVC refuses a file that lacks a key which a stage names, so each is there.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

from cu_pipeline.core.atomic import write_text
from cu_pipeline.tracking import yaml_files
from cu_pipeline.tracking.parameter_trees import difference, lay_over, look_up, nested, outermost, pruned, without

FILE_NAME: Final = "params.yaml"

_HEADER: Final = """\
# What the last recorded runs changed in conf/base: written by `kedro run`, read by `dvc repro`.
# {} or null: nothing. Change parameters in conf/ or with --params, not here.
"""


def read(root: Path) -> dict[str, Any]:
    """Read the recorded changes of the project at `root`, without the keys that change nothing.

    Raises:
        ConfigurationError: the file has an unresolved merge, or is no YAML mapping.
    """
    content = yaml_files.read(root / FILE_NAME)
    changes: dict[str, Any] = pruned({key: value for key, value in content.items() if value is not None})
    return changes


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
        changes = without(changes, key.split("."))
        try:
            changes = lay_over(changes, nested(key, look_up(new, key)))
        except KeyError:
            continue  # as in conf/base
    text = render(base, changes, compared)
    path = root / FILE_NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)

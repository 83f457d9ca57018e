"""What is in force in place of the parameters of `conf/base`, kept in `params.yaml`.

DVC compares this file and `conf/base` to know which stages are stale, so a run with `--params` or another
environment is repeated by `dvc repro` as it was. Each key holds the changes of one parameter or group: `{}` (or
null, at the top) means as in `conf/base`. DVC refuses a file that lacks a key which a stage names, so each is there.
Where the changes come from stands under two keys beside them that no stage names.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import yaml

from cu_pipeline.core.atomic import write_text
from cu_pipeline.tracking import yaml_files
from cu_pipeline.tracking.overrides import PERSONAL, Override, Recorded, RunParameters
from cu_pipeline.tracking.parameter_trees import lay_over, look_up, nested, outermost, pruned, without
from cu_pipeline.tracking.project_feed import FEED, kept

FILE_NAME: Final = "params.yaml"

_OVERRIDES: Final = "_overrides"
_ENVIRONMENTS: Final = "_environments"
_HEADER: Final = """\
# The project's feed, and what the last recorded runs changed in conf/base: written by `kedro run`, read by `dvc repro`.
# {} or null: nothing. Change parameters in conf/ or with --params, not here; `kedro params` lists and drops.
"""


def read(root: Path) -> dict[str, Any]:
    """Read the recorded changes of the project at `root`, without the keys that change nothing.

    Raises:
        ConfigurationError: the file has an unresolved merge, or is no YAML mapping.
    """
    return read_record(root).changes


def read_record(root: Path) -> Recorded:
    """Read the recorded changes with where each comes from, which files of earlier versions do not say.

    Raises:
        ConfigurationError: as `read`, or where changes come from is told in another form than this package writes.
    """
    content = yaml_files.read(root / FILE_NAME)
    with yaml_files.shape_told(FILE_NAME):
        overrides = {name: Override(**entry) for name, entry in (content.pop(_OVERRIDES, None) or {}).items()}
        environments = dict(content.pop(_ENVIRONMENTS, None) or {})
    changes: dict[str, Any] = pruned({key: value for key, value in content.items() if value is not None})
    return Recorded(changes, overrides, environments)


def render(base: dict[str, Any], recorded: Recorded, compared: Iterable[str] = ()) -> str:
    """Write the file's text: every key of `base` and every dotted key that stages compare, sorted, with its changes."""
    content: dict[str, Any] = {key: {} if isinstance(value, dict) else None for key, value in base.items()}
    for key in compared:
        if "." in key:
            content = lay_over(content, nested(key, {}))
    content = lay_over(content, {key: value for key, value in recorded.changes.items() if key in base})
    overrides = recorded.overrides
    with suppress(KeyError):
        if kept(look_up(content, FEED)) is None:
            content = without(content, FEED.split("."))
            overrides = {name: entry for name, entry in overrides.items() if name != FEED}
    if overrides:
        content[_OVERRIDES] = {name: _filled(entry) for name, entry in overrides.items() if name.split(".")[0] in base}
    if recorded.environments:
        content[_ENVIRONMENTS] = recorded.environments
    return _HEADER + yaml.safe_dump(content, sort_keys=True, allow_unicode=True)


def write(root: Path, base: dict[str, Any], recorded: Recorded, compared: Iterable[str] = ()) -> None:
    """Write the file, if that changes it.

    Args:
        root: the project's folder.
        base: the parameters of `conf/base`.
        recorded: what is in force.
        compared: the keys that `dvc.yaml` names.
    """
    text, path = render(base, recorded, compared), root / FILE_NAME
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def record(root: Path, run: RunParameters, used: Iterable[str], compared: Iterable[str] = ()) -> None:
    """Write what a run changed in `conf/base`, for what it used.

    Args:
        root: the project's folder.
        run: its parameters.
        used: keys, dotted or not, that the run read. The changes of others stay as the runs that used them left them.
        compared: the keys that `dvc.yaml` names.
    """
    before = read_record(root)
    new = run.recorded(before)
    changes, overrides, environments = before.changes, before.overrides, before.environments
    for key in outermost(used):
        changes = without(changes, key.split("."))
        with suppress(KeyError):  # as in conf/base
            changes = lay_over(changes, nested(key, look_up(new.changes, key)))
        overrides = _outside(overrides, key) | _within(new.overrides, key)
        environments = _outside(environments, key)
        if run.environment != PERSONAL or any(key.startswith(f"{other}.") for other in environments):
            environments = environments | {key: run.environment}
    write(root, run.conf.base, Recorded(changes, overrides, environments), compared)


def dropped(recorded: Recorded, name: str) -> Recorded:
    """Leave out what is recorded of a parameter or group."""
    changes = pruned(without(recorded.changes, name.split(".")))
    return Recorded(changes, _outside(recorded.overrides, name), _outside(recorded.environments, name))


def _within(found: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if f"{name}.".startswith(f"{key}.")}


def _outside(found: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if not f"{name}.".startswith(f"{key}.")}


def _filled(entry: Override) -> dict[str, Any]:
    return {name: value for name, value in asdict(entry).items() if value not in ("", None)}

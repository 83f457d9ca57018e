"""What a run is called: its number, and what differs from the run before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from cu_pipeline.core.errors import SnapshotError
from cu_pipeline.tracking import snapshots
from cu_pipeline.tracking.abandoned_runs import owner_tags
from cu_pipeline.tracking.mlflow_run import PIPELINE, configure, search, tracks_locally
from cu_pipeline.tracking.run_parameters import FILE, everything, is_compared

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

NUMBER: Final = "number"
"""Tag of a run of pipelines: how many there have been."""

PREVIOUS: Final = "previous"
"""Tag of a run of pipelines: the run that it is compared with."""

SNAPSHOT: Final = "snapshot"
"""Tag of a run of pipelines: the version of the data that it left."""

WHOLE: Final = "lifecycle"
"""What the pipelines of a run are called where they are all."""

_MOST: Final = 2
_LONGEST: Final = 60
_COUNTED: Final = ("clips", "labels")
COMMIT: Final = "git.commit"
"""Tag of a run of pipelines: the commit of its code."""


@dataclass(frozen=True)
class Before:
    """The run that a new one is compared with: the last that ended well; as if empty before the first.

    Attributes:
        number: of the new run.
        run_id: of the earlier one; "": there is none.
        name: of the earlier one.
        params: all parameters of the earlier one, as text; None: it did not leave them.
        tags: of the earlier one.
    """

    number: int = 1
    run_id: str = ""
    name: str = ""
    params: Mapping[str, str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def links(self) -> dict[str, str]:
        """The tags of the new run that tell its number, and the earlier run."""
        return {NUMBER: str(self.number)} | ({PREVIOUS: self.run_id} if self.run_id else {})


def before(root: Path) -> Before:
    """Find the run that a new one is compared with, among those of the project in this folder."""
    configure(root)
    import mlflow

    client, own = mlflow.MlflowClient(), _own(root)
    last = _last(client, own)
    if last is None:
        return Before()
    number = int(last.data.tags[NUMBER]) if NUMBER in last.data.tags else len(search(client, own))
    good = _last(client, f"{own} and attributes.status = 'FINISHED'")
    if good is None:
        return Before(number + 1)
    return Before(number + 1, good.info.run_id, str(good.info.run_name), _parameters(good), good.data.tags)


def _parameters(run: "Run") -> dict[str, str] | None:
    """Read what a run left of its parameters; None of one of an earlier version, or whose artifacts are gone."""
    import mlflow
    from mlflow.exceptions import MlflowException

    if NUMBER not in run.data.tags:
        return None
    try:
        return everything(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{FILE}"))
    except (MlflowException, OSError, ValueError, yaml.YAMLError):
        return None


def _own(root: Path) -> str:
    """The condition that a run of pipelines meets which is this project's; in its own database all of them are."""
    terms = [f"tags.{PIPELINE} != ''"]
    if not tracks_locally(root):
        quoted = {name: value.replace("'", "''") for name, value in owner_tags(root).items()}
        terms += [f"tags.`{name}` = '{value}'" for name, value in quoted.items()]
    return " and ".join(terms)


def _last(client: "MlflowClient", condition: str) -> "Run | None":
    return next(iter(search(client, condition, most=1)), None)


def parameter_changes(params: Mapping[str, str], earlier: Before) -> dict[str, tuple[str, str]]:
    """List the parameters that differ from the earlier run's: key -> value there and here, "" where there is none.

    Those that both have come first, and of these those that decide what a model is.
    """
    if earlier.params is None:
        return {}
    there = earlier.params
    keys = sorted({*params, *there}, key=lambda key: (not (key in params and key in there), not is_compared(key), key))
    return {key: (there.get(key, ""), params.get(key, "")) for key in keys if there.get(key) != params.get(key)}


def data_changes(root: Path, tags: Mapping[str, str], earlier: Before) -> dict[str, int]:
    """Count what the data have more than after the earlier run: rows of `clips` and `labels`; 0: other content.

    Args:
        root: the project's folder.
        tags: of the run.
        earlier: the run that it is compared with.
    """
    old, new = earlier.tags.get(SNAPSHOT, ""), tags.get(SNAPSHOT, "")
    if not old or not new or old == new:
        return {}
    try:
        counts = {found.id: found.counts for found in snapshots.read(root)}
    except SnapshotError:
        return {}
    here, there = counts.get(new, {}), counts.get(old, {})
    return {name: here.get(name, 0) - there.get(name, 0) for name in _COUNTED}


def run_name(
    pipelines: str,
    tags: Mapping[str, str],
    changes: Mapping[str, tuple[str, str]],
    data: Mapping[str, int],
    old: Before,
) -> str:
    """Make a run's name.

    Args:
        pipelines: that it runs.
        tags: of the run.
        changes: parameters that differ from the earlier run's.
        data: rows that the data have more.
        old: the earlier run.

    >>> old = Before(8, "id", "7 seed 3", {}, {"git.commit": "abc"})
    >>> run_name("lifecycle", {}, {"train.linear.strengths": ("1", "10")}, {"clips": 120, "labels": 0}, old)
    '8 linear strengths 10, clips +120'
    >>> run_name("train+evaluate", {"git.commit": "abc"}, {}, {}, old)
    '8 unchanged (train+evaluate)'
    """
    parts = [_changed(key, *values) for key, values in changes.items() if values[1]]
    parts += [f"{name} {number:+,}" for name, number in data.items() if number]
    if not parts and data:
        parts = ["other data"]
    if not parts and changes:
        parts = [f"without {_short(next(iter(changes)))}"]
    if not parts:
        parts = [_rest(tags, old)]
    if len(parts) > _MOST:
        parts = [*parts[:_MOST], f"{len(parts) - _MOST} more"]
    text = ", ".join(parts)
    which = "" if pipelines == WHOLE else f"({pipelines})"
    return " ".join(filter(None, [str(old.number), text, which]))


def _rest(tags: Mapping[str, str], old: Before) -> str:
    """Say what a run is in which neither parameters nor data differ."""
    if not old.run_id:
        return "first run"
    commit = tags.get(COMMIT, "")
    if commit and commit != old.tags.get(COMMIT):
        return f"code {commit[:7]}"
    return "unchanged" if old.params is not None else ""


def _changed(key: str, _: str, here: str) -> str:
    return f"{_short(key)} {here if len(here) <= _LONGEST // 3 else here[: _LONGEST // 3] + '…'}"


def _short(key: str) -> str:
    return " ".join(key.split(".")[-2:])

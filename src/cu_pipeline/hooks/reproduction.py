"""What a run leaves so that `kedro reproduce` can repeat it."""

import json
from typing import Any, Final

from kedro.framework.hooks import hook_impl

from cu_pipeline.core.addresses import hide_passwords, without_query
from cu_pipeline.hooks.run_state import Run, RunState
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.parameter_trees import lay_over, look_up, nested
from cu_pipeline.tracking.project_feed import FEED, has_key
from cu_pipeline.tracking.reproduction import code_changes, contents
from cu_pipeline.tracking.reproduction.environment import environment
from cu_pipeline.tracking.reproduction.record import DataUsed, RunRecord, StageData

_CACHE: Final = "_cache"
"""How datasets end that only save work: what they hold decides nothing."""

_PAID: Final = ("CallLogDataset",)
"""Datasets of what was paid for, which is never asked again: a repetition reads it as the run left it."""

_PAGES: Final = (".TextFile", ".TextFolder")
"""Types of datasets with texts for people."""

_BUNDLES: Final = "bundles"


class ReproductionHooks:
    """Keeps what a run replaces and what its code was, and records both with its parameters, data and environment.

    Its work after a run comes before MLflow's, which ends the run.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._replaced: dict[str, str | None] = {}
        self._patch = b""

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Note the code and the data that the run will replace, and keep these."""
        if run := self._state.run:
            self._patch = code_changes.patch(run.root)
            self._replaced = {path: dvc_md5(run.root / path) for path in _earlier(run).values()}
            contents.keep(run.root, {path: md5 for path, md5 in self._replaced.items() if md5})

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Add the record to the MLflow run, and the hashes of what was replaced to its tags."""
        run = self._state.run
        if run is None:
            return
        data = self._data(run)
        parameters = _without_keys(run.context.config_loader["parameters"])
        kept = self._patch if len(self._patch) <= code_changes.LARGEST else b""
        RunRecord(parameters=parameters, data=data, environment=environment(run.root), patch=kept).log()
        for path, md5 in self._replaced.items():
            if md5 and run.tags.get(f"dvc.{path}") != md5:
                run.tags[f"dvc.before.{path}"] = md5

    def _data(self, run: Run) -> DataUsed:
        stages = {name: self._stage(run, name) for name, nodes in run.stages.items() if nodes and nodes <= {*run.done}}
        return DataUsed(
            stages=stages,
            bundles=_versions(run) if _BUNDLES in run.written() else {},
            bundles_at=run.files[_BUNDLES].path if _BUNDLES in run.files else "",
            measured=sorted(file.path for name, file in run.files.items() if file.measured and name in run.written()),
            pages=sorted(file.path for file in run.files.values() if file.type.endswith(_PAGES)),
            code_changed=bool(self._patch),
        )

    def _stage(self, run: Run, name: str) -> StageData:
        nodes = [node for node in run.pipeline.nodes if node.name in run.stages[name]]
        made = {one for node in nodes for one in node.outputs}
        read = {one.partition("@")[0] for node in nodes for one in node.inputs} - made
        earlier = _earlier(run)
        paths = {path for one in read - earlier.keys() if not _saves_work(run, one) and (path := _versioned(run, one))}
        return StageData(
            reads=_hashes(run, paths),
            earlier={earlier[one]: self._replaced.get(earlier[one]) for one in sorted(read & earlier.keys())},
            writes=_hashes(run, {path for one in made if (path := _versioned(run, one))}),
        )


def _without_keys(parameters: dict[str, Any]) -> dict[str, Any]:
    """Leave out of the feed's addresses what no artifact may hold; such a feed is not read again."""
    try:
        feed = look_up(parameters, FEED)
    except KeyError:
        return parameters
    places = [feed] if isinstance(feed, str) else feed
    if not any(map(has_key, places)):
        return parameters
    hidden = [without_query(hide_passwords(one)) if has_key(one) else one for one in places]
    safe: dict[str, Any] = lay_over(parameters, nested(FEED, hidden))
    return safe


def _earlier(run: Run) -> dict[str, str]:
    """Find the datasets by which a run reads what earlier ones left and it, or a later one, replaces; with their paths.

    It writes there itself, or another pipeline does, under another name of the same file.
    """
    written = {path for name in run.pipeline.all_outputs() if (path := _versioned(run, name))}
    names = {name.partition("@")[0] for name in run.pipeline.inputs()}
    found = {name: path for name in sorted(names) if (path := _versioned(run, name)) and not _saves_work(run, name)}
    paid = {file.path for file in run.files.values() if file.type.endswith(_PAID)}
    return {
        name: path
        for name, path in found.items()
        if path not in paid and (path in written or not run.files[name].tracked)
    }


def _saves_work(run: Run, dataset: str) -> bool:
    """Whether all that a dataset holds would come out again, at no price but time."""
    return dataset.endswith(_CACHE) and not run.files[dataset].type.endswith(_PAID)


def _versioned(run: Run, dataset: str) -> str:
    """The path of a dataset that DVC versions, under this name or another; "" of others."""
    path = run.files[dataset].path if dataset in run.files else ""
    return path if any(file.tracked and file.path == path for file in run.files.values()) else ""


def _hashes(run: Run, paths: set[str]) -> dict[str, str]:
    found = {path: run.tags.get(f"dvc.{path}") or dvc_md5(run.root / path) for path in sorted(paths)}
    return {path: md5 for path, md5 in found.items() if md5}


def _versions(run: Run) -> dict[str, str]:
    folder = run.root / run.files[_BUNDLES].path
    found = [json.loads(path.read_bytes()) for path in sorted(folder.glob("*/bundle.json"))]
    return {one["capability"]: one["version"] for one in found}

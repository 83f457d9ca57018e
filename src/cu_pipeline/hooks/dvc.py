"""What a run read and wrote, recorded in `dvc.lock`, `params.yaml` and the snapshots."""

import logging
import os
import time
from typing import Final

from kedro.framework.hooks import hook_impl

from cu_pipeline.hooks.run_state import Run, RunState
from cu_pipeline.tracking import dvc_lock, params_file, snapshots
from cu_pipeline.tracking.catalog_files import catalog_files, tidy
from cu_pipeline.tracking.configuration import STAGE_VARIABLE
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.mlflow_run import DATA
from cu_pipeline.tracking.run_names import SNAPSHOT
from cu_pipeline.tracking.unpulled import check_champions

_STORES: Final = frozenset({"stores"})
"""Parameters that the catalog reads: `dvc repro` looks for what is stored where the run did."""

_logger = logging.getLogger(__name__)


class DvcHooks:
    """Puts the project in order before a run, and records the data after it. Inside a DVC stage, DVC records it.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Clear up after a run that was killed, and note the version of the data that `dvc repro` or git brought.

        Raises:
            ConfigurationError: a file that DVC or this class wrote has an unresolved merge, or is damaged; or the run
                would choose champions, and those that serve were not fetched.
        """
        if run := self._state.run:
            tidy(run.root, run.files.values())
            if STAGE_VARIABLE not in os.environ:
                dvc_lock.repair(run.root)
                dvc_lock.check(run.root)
                snapshots.record(run.root, _table_paths(run))
            check_champions(run.root, run.pipeline.datasets(), run.files)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Record the data, and tag the run with its hashes."""
        run = self._state.run
        if run is None:
            return
        recorded: dict[str, str] = {}
        if STAGE_VARIABLE not in os.environ:
            stages, used = _complete_stages(run), run.parameters(run.read()) | _STORES
            compared = dvc_lock.compared_parameters(run.root)
            params_file.record(run.root, run.context.config_loader.run_parameters(), used, compared)
            started = time.perf_counter()
            if dvc_lock.commit(run.root, stages):
                run.seconds["dvc commit"] = time.perf_counter() - started
                recorded = dvc_lock.hashes(run.root, stages)
                _record_snapshot(run)
            if known := snapshots.read(run.root):
                run.tags[SNAPSHOT] = known[-1].id
        run.tags |= {f"{DATA}{path}": md5 for path, md5 in _hashes(run, recorded).items()}


def _record_snapshot(run: Run) -> None:
    if added := snapshots.record(run.root, _table_paths(run), run.run_id):
        counts = ", ".join(f"{name} {number:,}" for name, number in added.counts.items())
        _logger.info("the data changed: snapshot %s (%s)", added.id, counts)


def _table_paths(run: Run) -> dict[str, str]:
    return snapshots.table_paths(catalog_files(run.context.config_loader.base_catalog()))


def _complete_stages(run: Run) -> list[str]:
    """Name the registered pipelines whose every node ran, with the files that `dvc.yaml` names."""
    base = catalog_files(run.context.config_loader.base_catalog())
    moved = {name for name in run.files | base if run.files.get(name) != base.get(name)}
    elsewhere = {node.name for node in run.pipeline.nodes if moved.intersection([*node.inputs, *node.outputs])}
    usable = set(run.done) - elsewhere
    return [name for name, nodes in run.stages.items() if nodes and nodes <= usable]


def _hashes(run: Run, recorded: dict[str, str]) -> dict[str, str]:
    """Hash the data that the nodes read and wrote, path -> DVC's hash, where it is not `recorded`."""
    used = run.read() | run.written()
    paths = sorted(run.files[name].path for name in used if name in run.files and run.files[name].tracked)
    hashes = {path: recorded.get(path) or dvc_md5(run.root / path) for path in paths}
    return recorded | {path: md5 for path, md5 in hashes.items() if md5}

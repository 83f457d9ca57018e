"""One run at a time writes to a project, and to what a stage makes on all machines."""

import os
from collections.abc import Generator
from typing import Any, Final

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.pipeline import Pipeline

from cu_pipeline.core.databases import VARIABLE as DATABASE
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.hooks.run_state import Ended, Run, RunState
from cu_pipeline.tracking.run_lock import RunLock

_HUB_ENVIRONMENTS = frozenset({"gpu", "cluster"})
_CLUSTER: Final = "cluster"
_NEEDED: Final = ("MLFLOW_TRACKING_URI", DATABASE)
"""Environment variables that say where a team's parts are."""


class LockHooks:
    """Takes the lock before all other hooks, and gives it back after them, however the run ends.

    They wrap the other hooks, so their place among them does not matter.

    Args:
        state: shared with the other hooks.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._context: KedroContext | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Fix the folder that stored paths start from, and keep models off the hub where none are needed."""
        self._context = context
        os.environ[ROOT_VARIABLE] = str(context.project_path)
        if context.env not in _HUB_ENVIRONMENTS:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")

    @hook_impl(wrapper=True)
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> Generator[None, Any, Any]:
        """Begin the run under the lock."""
        if self._context is None:
            raise RuntimeError("a pipeline runs without a context: start it through a Kedro session")
        _check_places(self._context.env)
        self._state.end("KILLED")
        lock = RunLock(self._context.project_path, _stages(pipeline))
        lock.acquire()
        try:
            run = Run.of(self._context, pipeline, run_params["pipeline_names"])
        except BaseException:
            lock.release()
            raise
        run.endings.append(lambda *_: lock.release())
        self._state.run = run
        try:
            return (yield)
        except BaseException as error:
            self._state.end(*_told(error))
            raise

    @hook_impl(wrapper=True)
    def after_pipeline_run(self) -> Generator[None, Any, Any]:
        """Give the lock back when all is recorded, or cannot be."""
        try:
            result = yield
        except BaseException as error:
            self._state.end(*_told(error))
            raise
        self._state.end("FINISHED")
        return result

    @hook_impl(wrapper=True)
    def on_pipeline_error(self, error: Exception) -> Generator[None, Any, Any]:
        """End the run as failed, with the error."""
        try:
            return (yield)
        finally:
            self._state.end(*_told(error))

    def abandon(self, error: BaseException) -> None:
        """End a run that was interrupted, which Kedro tells no hook; without effect when none is under way."""
        self._state.end(*_told(error))


def _check_places(env: str | None) -> None:
    """Refuse a run of the cluster's environment that would keep its records on this machine, unseen by the team."""
    missing = [name for name in _NEEDED if not os.environ.get(name)] if env == _CLUSTER else []
    if missing:
        raise ConfigurationError(
            f"--env {_CLUSTER} needs the environment variables {', '.join(missing)}. Remedy: `make cluster-up` on this "
            "machine, or copy the team's .cluster/env here; then `make run ENV=cluster`, or `set -a; . .cluster/env; "
            "set +a` before `kedro run --env cluster`"
        )


def _stages(pipeline: Pipeline) -> set[str]:
    """Name the registered pipelines of which nodes run."""
    from kedro.framework.project import pipelines

    nodes = {node.name for node in pipeline.nodes}
    stages = {name: {node.name for node in one.nodes} for name, one in pipelines.items() if name != "__default__"}
    return {name for name, own in stages.items() if own & nodes} or {"other"}


def _told(error: BaseException) -> tuple[Ended, str]:
    text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
    return "FAILED" if isinstance(error, Exception) else "KILLED", text

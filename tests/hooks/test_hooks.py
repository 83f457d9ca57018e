from pathlib import Path
from types import SimpleNamespace

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.pipeline import Pipeline

from cu_pipeline import settings
from cu_pipeline.core import counters
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.hooks import lock
from cu_pipeline.hooks.dvc import DvcHooks
from cu_pipeline.hooks.lock import LockHooks
from cu_pipeline.hooks.mlflow import MlflowHooks
from cu_pipeline.hooks.parameters import ParametersHooks
from cu_pipeline.hooks.progress import ProgressHooks
from cu_pipeline.hooks.reproduction import ReproductionHooks
from cu_pipeline.hooks.required_inputs import RequiredInputsHooks
from cu_pipeline.hooks.run_state import RunState
from cu_pipeline.hooks.stores import StoresHooks
from cu_pipeline.hooks.summary import SummaryHooks

PIPELINE = Pipeline([])


class Recorder:
    """A hook beside the lock, which notes its calls and may fail in one of them."""

    def __init__(self, state, calls, fails_in="", error=None):
        self.state, self.calls, self.fails_in, self.error = state, calls, fails_in, error

    def note(self, name):
        self.calls.append(name)
        if self.fails_in == name:
            raise self.error

    @hook_impl
    def before_pipeline_run(self):
        self.state.run.endings.append(lambda status, error: self.calls.append(f"{status}: {error}"))
        self.note("before")

    @hook_impl
    def after_pipeline_run(self):
        self.note("after")

    @hook_impl
    def on_pipeline_error(self):
        self.note("error")


@pytest.fixture
def calls(monkeypatch):
    found = []

    class Lock:
        def __init__(self, root, stages):
            pass

        def acquire(self):
            found.append("acquire")

        def release(self):
            found.append("release")

    monkeypatch.setattr(lock, "RunLock", Lock)
    monkeypatch.setenv("CU_PIPELINE_ROOT", ".")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return found


@pytest.fixture
def registered(calls, tmp_path, monkeypatch):
    def register(*, lock_first, **recorder):
        monkeypatch.setattr("kedro.framework.project.pipelines", {})
        state, manager = RunState(), _create_hook_manager()
        mine = LockHooks(state)
        other = Recorder(state, calls, **recorder)
        _register_hooks(manager, [mine, other] if lock_first else [other, mine])
        context = SimpleNamespace(project_path=tmp_path, env="local", config_loader={"catalog": {}})
        mine.after_context_created(context)
        return manager.hook, mine, state

    return register


def before(hook):
    hook.before_pipeline_run(run_params={"pipeline_names": None}, pipeline=PIPELINE, catalog=None)


def after(hook):
    hook.after_pipeline_run(run_params={}, run_result={}, pipeline=PIPELINE, catalog=None)


def test_hooks_are_called_in_the_order_in_which_a_run_needs_them():
    order = [type(hooks) for hooks in reversed(settings.HOOKS)]
    before = [LockHooks, ProgressHooks, DvcHooks, ParametersHooks, ReproductionHooks, MlflowHooks]
    assert order == [RequiredInputsHooks, *before, StoresHooks, SummaryHooks]


@pytest.mark.parametrize("lock_first", [True, False])
def test_the_lock_is_taken_before_all_other_hooks_and_given_back_after_them(registered, calls, lock_first):
    hook, _, state = registered(lock_first=lock_first)
    before(hook)
    after(hook)
    assert calls == ["acquire", "before", "after", "FINISHED: ", "release"]
    assert state.run is None


def test_a_run_of_the_cluster_is_refused_where_its_records_would_stay_on_this_machine(registered, calls, monkeypatch):
    hook, mine, _ = registered(lock_first=True)
    mine.after_context_created(SimpleNamespace(env="cluster", project_path=Path(), config_loader={"catalog": {}}))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.delenv("CU_PIPELINE_DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match=r"variables CU_PIPELINE_DATABASE_URL\. Remedy: `make cluster-up`"):
        before(hook)
    assert "acquire" not in calls


@pytest.mark.parametrize("lock_first", [True, False])
def test_a_failed_run_is_told_to_all_before_the_lock_is_given_back(registered, calls, lock_first):
    hook, _, _ = registered(lock_first=lock_first)
    before(hook)
    error = ValueError("bad")
    error.add_note("node: a")
    hook.on_pipeline_error(error=error, run_params={}, pipeline=PIPELINE, catalog=None)
    assert calls == ["acquire", "before", "error", "FAILED: ValueError: bad\nnode: a", "release"]


@pytest.mark.parametrize("lock_first", [True, False])
@pytest.mark.parametrize(("place", "steps"), [("before", ["before"]), ("after", ["before", "after"])])
@pytest.mark.parametrize(("error", "status"), [(OSError("full"), "FAILED"), (KeyboardInterrupt("stop"), "KILLED")])
def test_a_hook_that_fails_keeps_no_lock(registered, calls, lock_first, place, steps, error, status):
    hook, _, state = registered(lock_first=lock_first, fails_in=place, error=error)
    with pytest.raises(type(error)):
        [before(hook), after(hook)]
    assert calls == ["acquire", *steps, f"{status}: {type(error).__name__}: {error}", "release"]
    assert state.run is None


def test_an_interrupted_run_is_killed_by_the_command_and_gives_the_lock_back(registered, calls):
    hook, mine, _ = registered(lock_first=True)
    before(hook)
    mine.abandon(KeyboardInterrupt())
    mine.abandon(KeyboardInterrupt())
    assert calls == ["acquire", "before", "KILLED: KeyboardInterrupt: ", "release"]


def test_a_run_that_was_never_ended_is_ended_by_the_next_in_its_process(registered, calls):
    hook, _, _ = registered(lock_first=True)
    before(hook)
    before(hook)
    assert calls == ["acquire", "before", "KILLED: ", "release", "acquire", "before"]


def test_what_cannot_be_recorded_keeps_no_lock(registered, calls):
    hook, _, state = registered(lock_first=True)
    before(hook)

    def refuse(status, error):
        raise OSError("full")

    state.run.endings.append(refuse)
    after(hook)
    assert calls[-1] == "release"


def test_a_kind_that_mlflow_is_not_told_of_stops_the_run_before_any_node(tmp_path):
    state = RunState()
    entry = {"type": "x.Y", "filepath": "a.json", "metadata": {"mlflow": ["metrics", "picture"]}}
    context = SimpleNamespace(project_path=tmp_path, env="local", config_loader={"catalog": {"scores": entry}})
    state.run = lock.Run.of(context, PIPELINE, None)
    with pytest.raises(ConfigurationError, match="'scores', metadata mlflow: 'picture' is unknown"):
        MlflowHooks(state).before_pipeline_run(catalog=None)


def test_each_run_in_a_process_counts_for_itself():
    counters.count("llm_calls", 3)
    ProgressHooks(RunState()).before_pipeline_run()
    counters.count("llm_calls", 2)
    assert counters.counts() == {"llm_calls": 2}

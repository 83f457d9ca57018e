"""Kedro's settings of this project. Kedro imports this module before any other of the project."""

from cu_pipeline.core.telemetry import switch_off

switch_off()

from cu_pipeline.hooks.dvc import DvcHooks  # noqa: E402
from cu_pipeline.hooks.lock import LockHooks  # noqa: E402
from cu_pipeline.hooks.mlflow import MlflowHooks  # noqa: E402
from cu_pipeline.hooks.parameters import ParametersHooks  # noqa: E402
from cu_pipeline.hooks.progress import ProgressHooks  # noqa: E402
from cu_pipeline.hooks.reproduction import ReproductionHooks  # noqa: E402
from cu_pipeline.hooks.required_inputs import RequiredInputsHooks  # noqa: E402
from cu_pipeline.hooks.run_state import RunState  # noqa: E402
from cu_pipeline.hooks.stores import StoresHooks  # noqa: E402
from cu_pipeline.hooks.summary import SummaryHooks  # noqa: E402
from cu_pipeline.tracking.configuration import ProjectConfigLoader, ProjectContext  # noqa: E402

_IN_ORDER = (
    LockHooks,
    ProgressHooks,
    DvcHooks,
    ParametersHooks,
    ReproductionHooks,
    MlflowHooks,
    StoresHooks,
    SummaryHooks,
)
_STATE = RunState()

# Kedro calls those first that are registered last
HOOKS = (*(hooks(_STATE) for hooks in reversed(_IN_ORDER)), RequiredInputsHooks())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONTEXT_CLASS = ProjectContext
CONFIG_LOADER_CLASS = ProjectConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "config_patterns": {
        "parameters": ["parameters*", "parameters*/**"],
        "catalog": ["catalog*", "catalog*/**"],
    },
}

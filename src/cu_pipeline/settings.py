"""Kedro's settings of this project. Kedro imports this module before any other of the project."""

from cu_pipeline.core.telemetry import switch_off

switch_off()

from cu_pipeline.hooks import ProjectHooks  # noqa: E402
from cu_pipeline.tracking.config_loader import ProjectConfigLoader  # noqa: E402
from cu_pipeline.tracking.context import ProjectContext  # noqa: E402

HOOKS = (ProjectHooks(),)
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

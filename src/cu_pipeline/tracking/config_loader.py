import os
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from cu_pipeline.tracking import params_file

STAGE_VARIABLE = "DVC_STAGE"
"""Set by DVC while it runs a stage's command."""


class ProjectConfigLoader(OmegaConfigLoader):
    """Kedro's loader; inside a DVC stage, parameters are those that were recorded for `dvc repro`.

    That is `conf/base` with `params.yaml` laid over it. Personal settings in `conf/local` are left out there,
    since DVC does not know them.
    """

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key != "parameters" or STAGE_VARIABLE not in os.environ:
            return super().__getitem__(key)
        recorded = params_file.read(Path(self.conf_source).parent)
        return params_file.lay_over(self.base_parameters(), recorded)

    def base_parameters(self) -> dict[str, Any]:
        """Give the parameters of the base environment alone, without `--params`."""
        return self._base("parameters")

    def base_catalog(self) -> dict[str, Any]:
        """Give the catalog of the base environment alone."""
        return self._base("catalog")

    def _base(self, key: str) -> dict[str, Any]:
        loader = OmegaConfigLoader(
            self.conf_source,
            env=self.base_env,
            base_env=self.base_env,
            default_run_env=self.base_env,
            config_patterns=self.config_patterns,
        )
        return loader[key]

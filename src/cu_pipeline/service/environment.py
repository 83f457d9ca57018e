"""All settings of the service, read from the environment: what it finds where, how much it accepts, how long it waits."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import cu_pipeline
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.paths import project_root
from cu_pipeline.media.options import Limits

CHAMPIONS: Final = Path("data/06_models/champions")
PREDICTION_LOG: Final = Path("data/07_model_output/prediction_log")
FORM_BYTES: Final = 2**20
"""Room for the caption and the form around a clip."""

_PREFIX: Final = "CU_PIPELINE_"


class Settings(BaseModel):
    """What the service runs with. Each field is the variable `CU_PIPELINE_` and its name in capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bundles: Path | None = Field(default=None, description="folder with a bundle in a subfolder for each capability")
    prediction_log: Path | None = Field(default=None, description="folder of the prediction log")
    workers: int = Field(default=1, ge=1, le=64, description="processes that answer")
    max_body_bytes: int = Field(default=Limits().max_bytes + FORM_BYTES, ge=1, description="largest form")
    max_uploads: int = Field(default=64, ge=1, description="forms that a worker receives at a time")
    upload_idle_s: float = Field(default=10, gt=0, description="seconds without a byte of a body")
    upload_total_s: float = Field(default=60, gt=0, description="seconds for a whole body")
    deadline_s: float = Field(default=30, gt=0, description="seconds from a whole body to its answer")
    drain_s: float = Field(default=10, gt=0, description="seconds that requests under way get when the service ends")

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the settings of this process; an empty variable counts as not set.

        Raises:
            ConfigurationError: values that cannot be used; all of them are told.
        """
        told = {name: variables.get(_PREFIX + name.upper(), "").strip() for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in told.items() if value})
        except ValidationError as error:
            raise ConfigurationError(
                f"{_PREFIX}{str(one['loc'][0]).upper()}={told[str(one['loc'][0])][:80]!r}: {one['msg']}"
                for one in error.errors(include_url=False, include_context=False)
            ) from None

    def bundles_folder(self) -> Path:
        """Find the folder of the bundles to serve.

        The setting is first; next the folder packed beside the package, as in a Bento; last the project's champions.

        Raises:
            BundleError: none of these folders holds a bundle.
        """
        packed = Path(cu_pipeline.__file__).resolve().parents[1] / CHAMPIONS
        folders = [self.bundles] if self.bundles else [packed, project_root() / CHAMPIONS]
        for folder in folders:
            if any(folder.glob("*/bundle.json")):
                return folder
        raise BundleError(
            f"no model to serve: there is no */bundle.json in {' or '.join(map(str, folders))}. "
            "Run `make run` first; where it promotes no model, it says why and what would help. "
            f"Or set {_PREFIX}BUNDLES to a folder with one bundle per capability."
        )

    def log_folder(self) -> Path:
        """The folder of the prediction log."""
        return self.prediction_log or project_root() / PREDICTION_LOG


def workers() -> int:
    """The number of workers that BentoML is to start; 1 where it is not readable, which the start then refuses."""
    try:
        return Settings.from_environment().workers
    except ConfigurationError:
        return 1

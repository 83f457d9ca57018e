"""Where the service finds its models and keeps its log, and how much it accepts: read from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cu_pipeline
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.paths import project_root
from cu_pipeline.media.options import Limits

BUNDLES_VARIABLE: Final = "CU_PIPELINE_BUNDLES"
LOG_VARIABLE: Final = "CU_PIPELINE_PREDICTION_LOG"
MAX_BODY_VARIABLE: Final = "CU_PIPELINE_MAX_BODY_BYTES"

CHAMPIONS: Final = Path("data/06_models/champions")
PREDICTION_LOG: Final = Path("data/07_model_output/prediction_log")
FORM_BYTES: Final = 2**20
"""Room for the caption and the form around a clip."""


@dataclass(frozen=True)
class Settings:
    """What one service process runs with.

    Attributes:
        bundles: folder with one bundle in a subfolder per capability.
        log: folder of the prediction log.
    """

    bundles: Path
    log: Path

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the settings of this process.

        Raises:
            BundleError: no bundles were found.
        """
        log = Path(os.environ.get(LOG_VARIABLE) or project_root() / PREDICTION_LOG)
        return cls(bundles=find_bundles(), log=log)


def find_bundles() -> Path:
    """Find the folder of the bundles to serve.

    The environment variable is first; next the folder packed beside the package, as in a Bento; last the
    project's champions.

    Raises:
        BundleError: none of these folders holds a bundle.
    """
    named = os.environ.get(BUNDLES_VARIABLE)
    packed = Path(cu_pipeline.__file__).resolve().parents[1] / CHAMPIONS
    folders = [Path(named)] if named else [packed, project_root() / CHAMPIONS]
    for folder in folders:
        if any(folder.glob("*/bundle.json")):
            return folder
    raise BundleError(
        f"no model to serve: there is no */bundle.json in {' or '.join(map(str, folders))}. "
        "Run `make run` first; where it promotes no model, it says why and what would help. "
        f"Or set {BUNDLES_VARIABLE} to a folder with one bundle per capability."
    )


def max_body_bytes() -> int:
    """The largest request body that is accepted, in bytes: by default the largest clip and its form.

    Raises:
        ConfigurationError: the variable is not a whole number above 0.
    """
    value = os.environ.get(MAX_BODY_VARIABLE) or str(Limits().max_bytes + FORM_BYTES)
    if not value.isdecimal() or int(value) < 1:
        raise ConfigurationError(f"{MAX_BODY_VARIABLE}={value!r}: give a whole number of bytes above 0")
    return int(value)

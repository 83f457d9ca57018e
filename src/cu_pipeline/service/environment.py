"""All settings of the service: what it finds where, how much it accepts, how long it waits; from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

import cu_pipeline
from cu_pipeline.core.errors import BundleError, ConfigurationError
from cu_pipeline.core.paths import project_root
from cu_pipeline.inference.prediction_log.options import LogOptions
from cu_pipeline.inference.prediction_log.place import DEFAULT, shared_or
from cu_pipeline.ingest.capture import CAPTURES
from cu_pipeline.ingest.capture_store import CaptureOptions, CaptureStore
from cu_pipeline.media.options import Limits
from cu_pipeline.service.engine.options import EngineOptions
from cu_pipeline.service.page import read_samples
from cu_pipeline.service.security.settings import SecuritySettings

CHAMPIONS: Final = Path("data/06_models/champions")
PACKED: Final = Path("data/06_models/packed_champions")
SAMPLES: Final = Path("data/06_models/samples")
QUALITY: Final = Path("data/06_models/quality.json")
FORM_BYTES: Final = 2**20
"""Room for the caption and the form around a clip."""

PREFIX: Final = "CU_PIPELINE_"
CAPTURE_PREFIX: Final = f"{PREFIX}CAPTURE_"
OFF: Final = "off"
LOG_PREFIX: Final = f"{PREFIX}LOG_"
ENGINE_PREFIX: Final = f"{PREFIX}ENGINE_"

_TOLD: Final = 80

Options = TypeVar("Options", bound=BaseModel)


class HttpSettings(BaseModel):
    """What the HTTP layer runs with; a field's variable is `CU_PIPELINE_` and its name in capitals.

    Attributes:
        bundles: folder with a bundle in a subfolder for each capability.
        prediction_log: folder or database of the prediction log.
        workers: processes that answer.
        max_body_bytes: largest form.
        max_uploads: forms that one worker receives at a time.
        upload_idle_s: seconds without a byte of a body.
        upload_total_s: seconds for a whole body.
        deadline_s: seconds from a whole body to its answer.
        drain_s: seconds that requests under way get when the service ends.
        capture: folder that keeps media and captions of requests; `off`: nothing is kept. Not set: in a project of the
            generated feed its own folder, and nowhere else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    bundles: Path | None = None
    prediction_log: str = ""
    workers: int = Field(default=1, ge=1, le=64)
    max_body_bytes: int = Field(default=Limits().max_bytes + FORM_BYTES, ge=1)
    max_uploads: int = Field(default=64, ge=1)
    upload_idle_s: float = Field(default=10, gt=0, allow_inf_nan=False)
    upload_total_s: float = Field(default=60, gt=0, allow_inf_nan=False)
    deadline_s: float = Field(default=30, gt=0, allow_inf_nan=False)
    drain_s: float = Field(default=10, gt=0, allow_inf_nan=False)
    capture: str = ""


class Settings(HttpSettings):
    """All that the service runs with.

    Attributes:
        security: who may use it.
        engine: how it shares the machine; variables begin with `CU_PIPELINE_ENGINE_`.
        log: options of the prediction log; their variables begin with `CU_PIPELINE_LOG_`.
        captures: how much of the requests is kept; variables begin with `CU_PIPELINE_CAPTURE_`.
    """

    security: SecuritySettings
    engine: EngineOptions = Field(default_factory=EngineOptions)
    log: LogOptions = Field(default_factory=LogOptions)
    captures: CaptureOptions = Field(default_factory=CaptureOptions)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the settings of this process; an empty variable counts as not set.

        Raises:
            ConfigurationError: values that cannot be used; all of them are told.
        """
        problems: list[str] = []
        own = _read(HttpSettings, PREFIX, variables, problems)
        log = _read(LogOptions, LOG_PREFIX, variables, problems)
        engine = _read(EngineOptions, ENGINE_PREFIX, variables, problems)
        captures = _read(CaptureOptions, CAPTURE_PREFIX, variables, problems)
        security = None
        try:
            security = SecuritySettings.from_environment(variables)
        except ConfigurationError as error:
            problems += error.problems
        if own is None or log is None or engine is None or captures is None or security is None:
            raise ConfigurationError(problems)
        return cls(**dict(own), log=log, engine=engine, captures=captures, security=security)

    def bundles_folder(self) -> Path:
        """Find the folder of the bundles to serve.

        The setting is first; next the folder packed beside the package, as in a Bento; last the project's champions.

        Raises:
            BundleError: none of these folders holds a bundle, or one has lost its JSON half.
        """
        folders = [self.bundles] if self.bundles else [_beside_package() / PACKED, project_root() / CHAMPIONS]
        for folder in folders:
            if any(folder.glob("*/bundle.json")):
                halves = [path.parent for path in folder.glob("*/model.safetensors")]
                if lost := [str(half) for half in halves if not (half / "bundle.json").is_file()]:
                    raise BundleError(f"{', '.join(lost)} has no bundle.json: restore the bundle, or remove its folder")
                return folder
        raise BundleError(
            f"no model to serve: there is no */bundle.json in {' or '.join(map(str, folders))}. "
            "Run `make run` first; where it promotes no model, it says why and what would help. "
            f"Or set {PREFIX}BUNDLES to a folder with one bundle per capability."
        )

    def samples_folder(self) -> Path | None:
        """The clips that the page offers; None where there are none."""
        return _packed_or_here(SAMPLES)

    def quality_file(self) -> Path | None:
        """How good the models were found to be; None where nobody says."""
        return _packed_or_here(QUALITY)

    def capture_store(self) -> CaptureStore | None:
        """What keeps media and captions of requests; None: nothing does."""
        if self.capture == OFF:
            return None
        if self.capture:
            return CaptureStore(Path(self.capture), self.captures)
        is_bento = (_beside_package() / PACKED).exists()
        generated = not is_bento and read_samples(project_root() / SAMPLES)
        return CaptureStore(project_root() / CAPTURES, self.captures) if generated else None

    @property
    def log_place(self) -> str:
        """Where the prediction log is."""
        return self.prediction_log or shared_or(project_root() / DEFAULT)


def _beside_package() -> Path:
    """The folder in which a Bento has its data beside this package."""
    return Path(cu_pipeline.__file__).resolve().parents[1]


def _packed_or_here(place: Path) -> Path | None:
    """What is packed beside the package, as in a Bento, or else lies in the project."""
    return next((root / place for root in (_beside_package(), project_root()) if (root / place).exists()), None)


def workers() -> int:
    """The number of workers that BentoML is to start; 1 where it is not readable, which the start then refuses."""
    told = _read(HttpSettings, PREFIX, os.environ, [])
    return 1 if told is None else told.workers


def _read(kind: type[Options], prefix: str, variables: Mapping[str, str], problems: list[str]) -> Options | None:
    """Read options from variables; None with further problems where some cannot be used."""
    told = {name: variables.get(prefix + name.upper(), "").strip() for name in kind.model_fields}
    given: dict[str, Any] = {name: value for name, value in told.items() if value}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        for one in error.errors(include_url=False, include_context=False):
            name = str(one["loc"][0])
            problems.append(f"{prefix}{name.upper()}={told.get(name, '')[:_TOLD]!r}: {one['msg']}")
        return None

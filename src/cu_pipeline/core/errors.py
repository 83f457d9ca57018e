"""Every error that cu-pipeline raises on purpose.

CuPipelineError
├── ConfigurationError     options that cannot work; lists all problems at once
│   └── DivergedError      a fit whose loss ran away, so that no model came of it
├── ManifestError          a feed that cannot be read at all
│   └── ForeignFeedError   a feed that shares no clip with what is stored
├── MissingWeightsError    a packaged model that is not installed or is damaged
├── BadClipError           one clip that is refused; becomes a row in `rejects`
├── BundleError            a model bundle that is incomplete or does not fit
├── StoreError             a feature store or table that is damaged
│   └── PartGoneError      a part of a feature store that somebody removed meanwhile
├── PlaceError             a shared place, such as a bucket, that cannot be used
├── SnapshotError          a version of the data that is not known or not at hand
├── ReproductionError      a run that cannot be repeated
├── NoSpaceError           a file that does not fit on the disk
├── TrackingError          MLflow's server or database that cannot be used
├── StudioError            a Label Studio server or file that does not do what is asked of it
│   └── StudioAwayError    a server that does not answer now
├── RunInProgressError     another run holds the project's lock
└── DeliveryError          a service that does not start or does not answer as it must
"""

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why a clip was refused. The codes are stable: people filter `rejects.csv` by them."""

    MISSING = "missing"
    UNREACHABLE = "unreachable"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    NO_VIDEO = "no_video"
    NO_FRAMES = "no_frames"
    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    TOO_MANY_PIXELS = "too_many_pixels"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    DUPLICATE_ID = "duplicate_id"
    BAD_ROW = "bad_row"
    ERASED = "erased"


class CuPipelineError(Exception):
    """Base of all errors of this package."""


class ConfigurationError(CuPipelineError):
    """Options that cannot work.

    Args:
        problems: every problem found, each naming the value, what is allowed and the remedy.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DivergedError(ConfigurationError):
    """A fit whose loss ran away, so that no model came of it."""


class ManifestError(CuPipelineError):
    """A feed that cannot be read at all."""


class ForeignFeedError(ManifestError):
    """A feed that shares no clip with what is stored, and would take its place."""


class MissingWeightsError(CuPipelineError):
    """A packaged model that is not installed or whose files are damaged."""


class BadClipError(CuPipelineError):
    """One clip that is refused.

    Args:
        reason: the stable code.
        detail: what was seen, for a person.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason.value}: {detail}")

    def __reduce__(self) -> tuple[type["BadClipError"], tuple[Reason, str]]:
        """Keep both arguments when the error crosses a process boundary."""
        return type(self), (self.reason, self.detail)


class BundleError(CuPipelineError):
    """A model bundle that is incomplete, damaged or does not fit its capability."""


class StoreError(CuPipelineError):
    """A feature store or table that is damaged."""


class PartGoneError(StoreError):
    """A part of a feature store that somebody removed meanwhile; what it held may stand in another one now."""


class PlaceError(CuPipelineError):
    """A shared place, such as a bucket, that cannot be reached or used."""


class SnapshotError(CuPipelineError):
    """A version of the data that is not known or not at hand."""


class ReproductionError(CuPipelineError):
    """A run that cannot be repeated: not known, not finished, or without what it needs."""


class NoSpaceError(CuPipelineError):
    """A file that does not fit on the disk."""


class TrackingError(CuPipelineError):
    """MLflow's server or database that cannot be used, or refuses what is asked of it."""


class StudioError(CuPipelineError):
    """A Label Studio server or file that does not do what is asked of it."""


class StudioAwayError(StudioError):
    """A Label Studio server that does not answer now, and may later."""


class RunInProgressError(CuPipelineError):
    """Another run holds the project's lock."""


class DeliveryError(CuPipelineError):
    """A service that does not start or does not answer as it must."""

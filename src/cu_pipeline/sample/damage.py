from enum import StrEnum
from typing import Final

from cu_pipeline.core.errors import Reason


class Damage(StrEnum):
    """What is wrong with a row that must be refused."""

    EMPTY = "empty"
    TRUNCATED = "truncated"
    GARBAGE = "garbage"
    AUDIO_ONLY = "audio_only"
    MISSING = "missing"
    REPEATED = "repeated"


REASONS: Final = {
    Damage.EMPTY: Reason.EMPTY,
    Damage.TRUNCATED: Reason.TRUNCATED,
    Damage.GARBAGE: Reason.NOT_MEDIA,
    Damage.AUDIO_ONLY: Reason.NO_VIDEO,
    Damage.MISSING: Reason.MISSING,
    Damage.REPEATED: Reason.DUPLICATE_ID,
}
"""Why each kind must be refused."""

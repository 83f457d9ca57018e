"""What a search for one cause gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from cu_pipeline.drift.causes.evidence import Evidence

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class CauseKind(StrEnum):
    """What may have changed."""

    UPSTREAM_FAULT = "upstream_fault"
    MIX = "mix"
    NEW_STYLE = "new_style"
    NEW_TOPIC = "new_topic"
    REUPLOADS = "reuploads"
    NEW_LANGUAGE = "new_language"
    CLIENT = "client"
    SLOW_SERVICE = "slow_service"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that changed.

    Attributes:
        kind: of the cause.
        in_words: what, without since when.
        share: of the window's clips that are of the new kind.
        involved: which of the window's clips show it, (window,).
        typical: how well each clip of the window shows it, (window,).
        indicator: a number of each recent clip that is higher where it shows, (recent,); NaN where it has none.
        kinds: kinds of tests that it explains, as `TestResult.kind` names them.
        named: beginnings of the names of other tests that it explains.
        tests: names of those that drifted, filled in by the diagnosis.
    """

    kind: CauseKind
    in_words: str
    share: float
    involved: Mask
    typical: Floats
    indicator: Floats
    kinds: frozenset[str] = frozenset()
    named: tuple[str, ...] = field(default_factory=tuple)


Search = Callable[[Evidence], Finding | None]
"""Looks for one cause in what earlier ones leave; None where it is not there."""

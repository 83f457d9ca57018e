"""What the gate judges: a trained model, and the one that is served, on the same test clips."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.scope import METADATA, clips_column
from cu_pipeline.evaluation.metrics import ScoredClips

MODALITY = "modality"
"""The column that says what a clip has: video, text, or both."""


@dataclass(frozen=True)
class Contest:
    """A challenger and the champion, if there is one that it can be compared with.

    Attributes:
        capability: that they recognise.
        challenger: version of the bundle.
        champion: likewise; None: there is none.
        clips: n rows of the table of clips, with people's labels: test clips that neither model has learned from, then
            the `cross_fitted` ones.
        places: int64: which of all labelled test clips the former are, in their order.
        keys: (n): what names each clip's content.
        shares: (classes): how common each class is among training clips.
        answers: the challenger's, of n clips.
        opposed: the champion's; None: it is not compared.
        alone: why the challenger is judged without the champion; "": it is not.
        obstacle: why nothing can be judged; "": it can.
        learned: labelled test clips that are left out, since a model has learned from them.
        fresh: bool (n): which of the clips an iteration drew at random from what the service saw; None: none.
        cross_fitted: of these clips, those that the challenger learned from; models that have not seen their units
            answer for it.
        newer: whether the challenger learned from clips that the last iteration asked about, and the champion did not.
        retargeted: whether the challenger keeps to another `decision` of the capability than the champion.
        purged: whether the champion learned from clips that were erased since, and the challenger did not.
        added: classes that the challenger knows and the champion does not, and how many of the clips are of each: the
            champion counts as wrong on these.
        named: of the added classes, those that people named for clips that are tested on or that the challenger learned
            from.
        unread: labelled clips to test on that are left out, since features that a model reads are not stored, by model:
            `challenger` or `champion`.
        frugal: whether the challenger reads fewer features than the champion, and none that this does not.
    """

    capability: str
    challenger: str
    champion: str | None
    clips: pd.DataFrame
    places: NDArray[np.int64]
    keys: tuple[str, ...]
    shares: NDArray[np.float64]
    answers: ScoredClips | None = None
    opposed: ScoredClips | None = None
    alone: str = ""
    obstacle: str = ""
    learned: int = 0
    fresh: NDArray[np.bool_] | None = None
    cross_fitted: int = 0
    newer: bool = False
    retargeted: bool = False
    purged: bool = False
    added: Mapping[str, int] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    unread: Mapping[str, int] = field(default_factory=dict)
    frugal: bool = False

    @property
    def units(self) -> NDArray[np.str_]:
        """What ties clips together: (n)."""
        units: NDArray[np.str_] = self.clips["group"].to_numpy(dtype=str)
        return units


def slices(clips: pd.DataFrame, columns: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Divide clips by the values of columns; one that has the same value everywhere makes no slice.

    Args:
        clips: n rows of the table of clips.
        columns: of the table, `modality`, or `metadata.KEY`.

    Returns:
        `COLUMN=VALUE` -> bool (n); clips without a value are in no slice.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    for column in columns:
        values = _modality(clips) if column == MODALITY else clips_column(clips, column).astype(str)
        if len(set(values)) > 1:
            found |= {f"{column}={value}": (values == value).to_numpy() for value in sorted(set(values) - {""})}
    return found


def unread_told(unread: Mapping[str, int]) -> Iterator[str]:
    """Say of how many clips features lack that a model reads, and what to do.

    Args:
        unread: model -> clips.
    """
    for who, clips in unread.items():
        if clips:
            yield (
                f"{clips} labelled clips are left out, as features that the {who} reads are not stored of them: run "
                "the featurize pipeline"
            )


def is_column(name: str) -> bool:
    """Whether clips can be divided by a column of this name."""
    return name in {"lang", "feed", "creator", MODALITY} or (name.startswith(METADATA) and name != METADATA)


def _modality(clips: pd.DataFrame) -> "pd.Series[str]":
    video, text = clips["media_sha256"] != "", clips["text_sha256"] != ""
    names = np.select([video & text, video], ["video and text", "video"], "text")
    return pd.Series(names, index=clips.index)

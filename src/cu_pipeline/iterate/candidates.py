"""What the service saw, as clips to choose from: how sure it was of each, what each is like, and whether it drifted."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.inference.prediction_log.records import PredictionRecord
from cu_pipeline.iterate.choose import Candidates
from cu_pipeline.iterate.drift_told import ToldCause

Content = tuple[str, str]
"""Hashes of a clip's media and caption."""

_FEED = "capture"


@dataclass(frozen=True)
class Seen:
    """What the log tells of one content, by its latest answer.

    Attributes:
        uncertainty: 0 to 1.
        vector: its embedding.
        parts: what the embedding is made of.
        drifted: whether it is among the clips that the causes of the drift name.
    """

    uncertainty: float
    vector: NDArray[np.float32]
    parts: tuple[str, ...]
    drifted: bool


@dataclass
class LogReader:
    """Adds up records of the prediction log by content; one that is met again replaces what was known.

    Attributes:
        kinds: capability -> its kind.
        named: requests that the causes name; where they name none, all clips are in the drifted region.
    """

    kinds: Mapping[str, Kind]
    named: frozenset[str]
    found: dict[Content, Seen] = field(default_factory=dict)

    @classmethod
    def of(cls, kinds: Mapping[str, Kind], causes: Iterable[ToldCause]) -> "LogReader":
        """Begin to read for some causes."""
        return cls(kinds, frozenset(chain.from_iterable(one.request_ids for one in causes if one.trains)))

    def add(self, record: PredictionRecord) -> None:
        """Take a record in."""
        self.found[record.media_sha256, record.text_sha256] = Seen(
            uncertainty=doubt(record.probabilities, self.kinds),
            vector=record.vector(),
            parts=tuple(f"{name}:{width}" for name, width in record.parts.items()),
            drifted=not self.named or record.request_id in self.named,
        )


def doubt(probabilities: Mapping[str, Mapping[str, float]], kinds: Mapping[str, Kind]) -> float:
    """How unsure an answer is, 0 to 1: entropy over that of an even guess, on average over capabilities.

    In a multi-label capability that of the class which is least sure, in bits.

    >>> doubt({"topic": {"a": 0.5, "b": 0.5}}, {"topic": Kind.SINGLE}), doubt({"topic": {"a": 1.0, "b": 0.0}}, {})
    (1.0, 0.0)
    """
    found = []
    for name, chances in probabilities.items():
        if kinds.get(name, Kind.SINGLE) is Kind.MULTI:
            found.append(max((_bits(chance) + _bits(1 - chance) for chance in chances.values()), default=0.0))
        elif len(chances) > 1:
            found.append(sum(map(_bits, chances.values())) / math.log2(len(chances)))
    return min(max(sum(found) / len(found), 0.0), 1.0) if found else 1.0


def candidates(clips: pd.DataFrame, annotations: pd.DataFrame, seen: Mapping[Content, Seen], latest: int) -> Candidates:
    """Find the clips of the capture feed that no person has labelled.

    A clip that the log does not know any more is as uncertain as can be, and far from all others.

    Args:
        clips: the table of usable clips.
        annotations: what people said.
        seen: what the log tells.
        latest: how many, the newest, are looked at.
    """
    labelled = annotations.loc[(annotations["kind"] == AnnotatorKind.HUMAN) & (annotations["label"] != ""), "clip_id"]
    mine = clips[clips["feed"].fillna("").str.split(":").str[0] == _FEED]
    mine = mine.sort_values(["posted_at", "clip_id"]).iloc[-latest:]
    mine = mine[~mine["clip_id"].isin(labelled) & mine["split"].isin(list(Split))]
    told = [seen.get(content) for content in zip(mine["media_sha256"], mine["text_sha256"], strict=True)]
    table = pd.DataFrame(
        {
            "clip_id": mine["clip_id"].to_numpy(),
            "unit": mine["group"].to_numpy(),
            "split": mine["split"].to_numpy(),
            "uncertainty": [1.0 if one is None else one.uncertainty for one in told],
            "drifted": [True if one is None else one.drifted for one in told],
        }
    )
    return Candidates(table, _vectors(told))


def _vectors(told: Collection[Seen | None]) -> NDArray[np.float32]:
    """Embeddings of unit length, of those of the commonest make: (n, width); zeros for others."""
    makes = Counter((one.parts, len(one.vector)) for one in told if one is not None)
    if not makes:
        return np.zeros((len(told), 1), dtype=np.float32)
    parts, width = makes.most_common(1)[0][0]
    rows = np.zeros((len(told), width), dtype=np.float32)
    for place, one in enumerate(told):
        if one is not None and (one.parts, len(one.vector)) == (parts, width):
            rows[place] = one.vector
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    normal: NDArray[np.float32] = np.divide(rows, length, out=rows, where=length > 0)
    return normal


def _bits(chance: float) -> float:
    return -chance * math.log2(chance) if chance > 0 else 0.0

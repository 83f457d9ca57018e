"""What the service saw, as clips to choose from: how sure it was of each, what each is like, and whether it drifted."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Kind
from cu_pipeline.core.caption_text import clean_caption, clean_name
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import from_stored
from cu_pipeline.core.records import Split
from cu_pipeline.inference.prediction_log.records import PredictionRecord
from cu_pipeline.ingest.capture import CAPTURES
from cu_pipeline.ingest.capture_store import Captured, CaptureStore
from cu_pipeline.ingest.tombstones import CONTENT as ERASED_CONTENT
from cu_pipeline.ingest.tombstones import Tombstones
from cu_pipeline.iterate.choose import Candidates
from cu_pipeline.iterate.finding import FoundCause
from cu_pipeline.splitting.assignment import split_of
from cu_pipeline.splitting.keys import CONTENT, CREATOR
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.placements import given_splits

Content = tuple[str, str]
"""Hashes of a clip's media and caption; "" for what it lacks."""


@dataclass(frozen=True)
class Seen:
    """What the log tells of a request.

    Attributes:
        uncertainty: of the answer, 0 to 1.
        vector: the clip's embedding.
        parts: what the embedding is made of.
        drifted: whether it is among the requests that the causes of the drift name.
    """

    uncertainty: float
    vector: NDArray[np.float32]
    parts: tuple[str, ...]
    drifted: bool


@dataclass
class LogReader:
    """Takes in those records of the prediction log that are about kept requests.

    Attributes:
        wanted: the requests.
        kinds: capability -> its kind.
        named: requests that the causes name; where they name none, all clips are in the drifted region.
        found: request -> what the log tells.
    """

    wanted: Collection[str]
    kinds: Mapping[str, Kind]
    named: frozenset[str]
    found: dict[str, Seen] = field(default_factory=dict)

    @classmethod
    def of(cls, wanted: Collection[str], kinds: Mapping[str, Kind], causes: Iterable[FoundCause]) -> "LogReader":
        """Begin to read for some causes."""
        named = frozenset(chain.from_iterable(one.request_ids for one in causes if one.trains))
        return cls(frozenset(wanted), kinds, named)

    def add(self, record: PredictionRecord) -> None:
        """Take a record in, if it is wanted."""
        if record.request_id in self.wanted:
            self.found[record.request_id] = Seen(
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


def capture_store(feed: str) -> CaptureStore:
    """Open what the service keeps.

    Args:
        feed: `capture`, the project's own, or `capture:FOLDER`.
    """
    folder = feed.partition(":")[2]
    return CaptureStore(from_stored(str(Path(folder or CAPTURES).expanduser())))


def clip_names(captured: Iterable[Captured], taken: Collection[str]) -> dict[str, str]:
    """Name contents as their clients did, or, where a clip of a feed has that name, with a part of their hash.

    Args:
        captured: the clips.
        taken: names of the clips of all feeds.

    Returns:
        Content -> name.
    """
    return {
        one.content: f"{one.clip_id}-{one.content[:16]}" if one.clip_id in taken else one.clip_id for one in captured
    }


def content_of(one: Captured) -> Content:
    """The hashes that a clip will have in the data."""
    caption = clean_caption(one.caption)
    return one.media_sha256, text_sha256(caption) if caption else ""


def newest(captured: Iterable[Captured]) -> list[Captured]:
    """Each content once, by its latest request, oldest first."""
    latest: dict[str, Captured] = {}
    for one in captured:
        latest.pop(one.content, None)
        latest[one.content] = one
    return list(latest.values())


def without_erased(captured: Iterable[Captured], tombstones: Tombstones) -> list[Captured]:
    """Leave out what was erased and has come again: no feed takes it, and a copy of it would stay in `served`."""
    return [
        one
        for one in captured
        if not tombstones.names(one.clip_id, one.facts.get("creator", ""))
        and not tombstones.knows(ERASED_CONTENT, one.media_sha256)
    ]


def still_there(captured: Iterable[Captured]) -> list[Captured]:
    """Leave out clips whose file has gone: one such clip would fail an iteration each time that it is chosen."""
    return [one for one in captured if one.media is None or one.media.is_file()]


@dataclass(frozen=True)
class Place:
    """Where a clip will be in the data.

    Attributes:
        unit: what ties it to others.
        split: of the unit.
        known: whether the data have clips of the unit.
    """

    unit: str
    split: Split
    known: bool


def forecast(ledger: pd.DataFrame, options: SplitOptions) -> Callable[[Captured], Place]:
    """Tell the unit and the split that a clip will have: its creator's, else by a hash of its own.

    `collect` has the last word: it also knows which clips are copies of others.

    Args:
        ledger: the splits that were given.
        options: how clips are divided.
    """
    given = given_splits(ledger, options)

    def found(one: Captured) -> Place:
        creator = clean_name(one.facts.get("creator", ""))
        unit = f"{CREATOR}{creator}" if creator else f"{CONTENT}{one.media_sha256 or one.content}"
        return (
            Place(unit, given[unit], known=True) if unit in given else Place(unit, split_of(unit, options), known=False)
        )

    return found


def candidates(
    captured: Iterable[Captured],
    seen: Mapping[str, Seen],
    known: Collection[Content],
    place: Callable[[Captured], Place],
    answered: Mapping[str, float],
) -> tuple[Candidates, list[Captured]]:
    """List the clips that can be chosen: those that no feed has.

    A clip that the log does not know any more is as uncertain as can be, and far from all others.

    Args:
        captured: what the service kept, each content once.
        seen: what the log tells of the requests.
        known: contents of the clips of all feeds.
        place: tells where a clip will be.
        answered: content -> share of capabilities about which rules answer; none where it is missing.

    Returns:
        The candidates, whose `clip_id` is their content, and in the same order the clips.
    """
    mine, rows, told = [], [], []
    for one in captured:
        if content_of(one) in known:
            continue
        found = seen.get(one.request_id)
        where = place(one)
        doubted = 1.0 if found is None else found.uncertainty
        drifted = found is None or found.drifted
        told_already = answered.get(one.content, 0.0)
        rows.append((one.content, where.unit, where.split.value, where.known, doubted, drifted, told_already))
        mine.append(one)
        told.append(found)
    table = pd.DataFrame(rows, columns=["clip_id", "unit", "split", "known", "uncertainty", "drifted", "answered"])
    return Candidates(table, _vectors(told)), mine


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

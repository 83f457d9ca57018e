"""The service's traffic as drift is looked for in it."""

import hashlib
import json
from array import array
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import ABSTAIN
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.units import content_name, unit_name
from cu_pipeline.inference.prediction_log.records import PredictionRecord, RefusalRecord
from cu_pipeline.inference.prediction_log.reuploads import earlier_equals
from cu_pipeline.inference.prediction_log.scan import LogScan

FACTS: Final = ("duration_s", "width", "height", "fps", "bytes", "text_length")
HAS: Final = ("has_caption", "has_video", "has_sound")
TOLD: Final = ("language", "client", "decoder")

MOST_LOOKED_AT: Final = 20_000
"""Clips among which re-uploads are looked for."""

_COLUMNS: Final = (
    "request_id",
    "group",
    "creator",
    "content",
    "parts",
    "labels",
    "predictions",
    "versions",
    "abstained",
)
_OF_ANSWERS: Final = ("time", "request_id", "group", "content", "latency_ms")
_OF_REFUSALS: Final = ("time", "reason", "requests")


@dataclass(frozen=True)
class Traffic:
    """What the service answered with the models of today.

    Attributes:
        table: one row a distinct clip, oldest first: request_id; time; `group`, the unit, named as in references;
            creator; `content`; JSON of `parts`, `labels`, `predictions`, `versions` and `abstained` (whether a model
            did); `requests`, how often the content was sent; facts; has_caption, has_video and has_sound, 1, 0 or NaN;
            texts `language`, `client` and `decoder`, "" where unknown; `latency_ms`; `embedding`, float16 of shape
            (width,), a row of one matrix.
        requests: answers, repeated ones included.
        invalid: lines of the log that are torn or no record.
        other: records that are older, or of other models.
        replays: answers about the product's own clips, which are left out.
        skipped: answers that the log's sample left out.
        answers: one row an answer, oldest first: time, request_id, group, content, latency_ms; only the latest of a
            content's answers is in `table`.
        refusals: requests that were refused: time (a minute's start), reason, requests.
        matrix: of the table's embeddings, (clips, width); None where they are of several widths, since the features
            changed meanwhile.
    """

    table: pd.DataFrame
    requests: int
    invalid: int
    other: int
    replays: int
    skipped: int
    answers: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_OF_ANSWERS)))
    refusals: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_OF_REFUSALS)))
    matrix: NDArray[np.float16] | None = None

    @property
    def parts(self) -> dict[str, int]:
        """Widths of the parts that all embeddings have, by what made them, in order."""
        layouts = [json.loads(told) for told in self.table["parts"].unique()]
        first: dict[str, int] = layouts[0] if layouts else {}
        return {name: width for name, width in first.items() if all(one.get(name) == width for one in layouts)}

    @cached_property
    def embeddings(self) -> NDArray[np.float16]:
        """The parts of `parts` of all clips, (clips, width): the log's bytes where all clips have the same parts."""
        layouts = set(self.table["parts"])
        if self.matrix is not None and len(layouts) <= 1:
            return self.matrix
        wanted, blocks = self.parts, np.zeros((len(self.table), sum(self.parts.values())), dtype=np.float16)
        for told in layouts:
            rows = np.flatnonzero((self.table["parts"] == told).to_numpy())
            whole = np.stack(self.table["embedding"].iloc[rows].tolist())
            ends = dict(zip(layout := json.loads(told), np.cumsum(list(layout.values())), strict=True))
            columns = [np.arange(ends[name] - width, ends[name]) for name, width in wanted.items()]
            blocks[rows] = whole[:, np.concatenate([np.empty(0, np.int64), *columns])]
        return blocks

    @cached_property
    def repeats(self) -> pd.DataFrame:
        """The answers about a content that an earlier answer of the log is about."""
        return self.answers[self.answers["content"].duplicated()]

    @cached_property
    def near_repeats(self) -> "pd.Series[str]":
        """For each row of `table` the request id of an earlier clip whose embedding is as good as equal; "": none.

        Clips without video are left out: captions of one text are told by their content. The latest ones are looked at.
        """
        seen = np.flatnonzero((self.table["has_video"] == 1).to_numpy())[-MOST_LOOKED_AT:]
        earlier = earlier_equals(self.embeddings if len(seen) == len(self.table) else self.embeddings[seen])
        names = self.table["request_id"].to_numpy(dtype=object)
        found = np.full(len(self.table), "", dtype=object)
        known = earlier >= 0
        found[seen[known]] = names[seen[earlier[known]]]
        return pd.Series(found, index=self.table.index, dtype=object)

    def only_replays(self) -> bool:
        """Whether all that was found are the product's own clips."""
        return not self.requests and self.replays > 0

    def about(self) -> dict[str, object]:
        """The part of the drift report that says what was current."""
        times = [time.isoformat(timespec="seconds") for time in self.table["time"]]
        return {
            "n": len(self.table),
            "units": int(self.table["group"].nunique()),
            "requests": self.requests,
            "from": times[0] if times else None,
            "to": times[-1] if times else None,
            "invalid_lines": self.invalid,
            "other_records": self.other,
            "replays": self.replays,
            "sampled_out": self.skipped,
            "repeated": len(self.repeats),
            "refused": int(self.refusals["requests"].sum()),
        }


def distinct_clips(log: LogScan, facts: Sequence[str] = FACTS, refusals: Sequence[RefusalRecord] = ()) -> Traffic:
    """Each clip of a log once: a clip that is sent again is no new evidence.

    Clips are the same when their content is, or, where the client sent none that is known, their embeddings and facts;
    the latest answer counts.

    Args:
        log: to be read.
        facts: the numeric facts to keep; NaN where a record has none.
        refusals: that the service counted.
    """
    kept = _Kept(facts)
    for record in log:
        kept.add(record)
    told = [[getattr(one, name) for name in _OF_REFUSALS] for one in refusals]
    refused = pd.DataFrame(told, columns=list(_OF_REFUSALS))
    counts = (kept.requests, log.invalid, log.other, log.replays, log.skipped)
    return Traffic(kept.table(), *counts, kept.answers(), refused, kept.matrix)


class _Kept:
    """Columns that grow by a record; of a content that comes again the row of before is left behind.

    Embeddings are the log's bytes, a matrix for each layout of their parts.
    """

    def __init__(self, facts: Sequence[str]) -> None:
        self._facts = facts
        self.requests = 0
        self.matrix: NDArray[np.float16] | None = None
        self._place: dict[str, int] = {}
        self._texts: dict[str, list[str]] = defaultdict(list)
        self._times: list[datetime] = []
        self._numbers: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._blocks: dict[int, bytearray] = defaultdict(bytearray)
        self._rows: list[tuple[int, int]] = []
        self._sent: Counter[str] = Counter()
        self._same: dict[str, str] = {}

    def add(self, record: PredictionRecord) -> None:
        """Take the next record of the log."""
        place, width = self.requests, len(record.embedding)
        self.requests += 1
        content = content_name(record.media_sha256, record.text_sha256) or _digest(record)
        self._sent[content] += 1
        self._place[content] = place
        creator = clean_name(record.creator) if record.creator else ""
        told = {name: record.facts.get(name) for name in TOLD}
        texts = {
            "request_id": record.request_id,
            "group": unit_name(creator, content),
            "creator": creator,
            "content": content,
            "parts": json.dumps(record.parts),
            "labels": json.dumps(record.labels),
            "predictions": json.dumps(record.probabilities),
            "versions": json.dumps(record.versions),
            "abstained": json.dumps({name: label == ABSTAIN for name, label in record.labels.items()}),
            **{name: value if isinstance(value, str) else "" for name, value in told.items()},
        }
        for name, text in texts.items():
            self._texts[name].append(self._same.setdefault(text, text) if name in _OFTEN else text)
        self._times.append(record.time)
        for name, number in self._measured(record).items():
            self._numbers[name].append(np.nan if number is None else number)
        self._rows.append((width, len(self._blocks[width])))
        self._blocks[width] += record.embedding

    def table(self) -> pd.DataFrame:
        """The latest row of each content."""
        rows = sorted(self._place.values())
        columns: dict[str, Any] = {name: [self._texts[name][row] for row in rows] for name in (*_COLUMNS, *TOLD)}
        columns["time"] = [self._times[row] for row in rows]
        columns["requests"] = [self._sent[content] for content in columns["content"]]
        for name in dict.fromkeys((*self._facts, *HAS, "latency_ms")):
            columns[name] = np.array(self._numbers[name], dtype=np.float64)[rows] if rows else np.empty(0)
        return pd.DataFrame(columns | {"embedding": self._vectors(rows)})

    def answers(self) -> pd.DataFrame:
        """All answers."""
        told = {name: self._texts[name] for name in ("request_id", "group", "content")}
        latency = np.array(self._numbers["latency_ms"], dtype=np.float64)
        times = pd.Series(pd.to_datetime(self._times, utc=True))
        return pd.DataFrame({"time": times} | told | {"latency_ms": latency}, columns=list(_OF_ANSWERS))

    def _vectors(self, rows: list[int]) -> "pd.Series[Any]":
        """A row of one matrix for each; there are several matrices where the models' features changed meanwhile."""
        wanted: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            width, start = self._rows[row]
            wanted[width].append(start // width if width else 0)
        matrices = {width: self._matrix(width, starts) for width, starts in wanted.items()}
        if len(matrices) == 1:
            (self.matrix,) = matrices.values()
        ready = {width: iter(matrix) for width, matrix in matrices.items()}
        return pd.Series([next(ready[self._rows[row][0]]) for row in rows], dtype=object)

    def _matrix(self, width: int, starts: list[int]) -> NDArray[np.float16]:
        """Rows of the embeddings of so many bytes; the whole block is let go of where some are left behind."""
        whole = np.frombuffer(self._blocks.pop(width, b""), dtype="<f2").reshape(-1 if width else 0, width // 2)
        if not width:
            return np.empty((len(starts), 0), dtype=np.float16)
        return whole if len(starts) == len(whole) else whole[starts]

    def _measured(self, record: PredictionRecord) -> dict[str, float | None]:
        found = {name: record.facts.get(name) for name in (*self._facts, "has_sound")}
        numbers = {name: value if isinstance(value, float | int) else None for name, value in found.items()}
        length = record.facts.get("text_length")
        has_caption = float(bool(record.text_sha256) or (isinstance(length, float) and length > 0))
        has_video = float(bool(record.media_sha256) or record.facts.get("width") is not None)
        has = {"has_caption": has_caption, "has_video": has_video}
        return numbers | has | {"latency_ms": sum(record.timings.values()) if record.timings else None}


_OFTEN: Final = frozenset({"group", "creator", "parts", "versions", "labels", "abstained", *TOLD})
"""Texts that many records share, which are kept once."""


def _digest(record: PredictionRecord) -> str:
    digest = hashlib.blake2b(record.embedding, digest_size=16)
    digest.update(json.dumps(record.facts, sort_keys=True).encode())
    return digest.hexdigest()

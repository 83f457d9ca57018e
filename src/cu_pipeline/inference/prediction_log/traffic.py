"""The service's traffic as drift is looked for in it."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import ABSTAIN
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.lean import last_of_each, lean, numbered
from cu_pipeline.core.rows import BATCH
from cu_pipeline.core.spool import Spool
from cu_pipeline.core.units import content_name, unit_name
from cu_pipeline.inference.prediction_log.records import PredictionRecord, RefusalRecord
from cu_pipeline.inference.prediction_log.reuploads import earlier_equals
from cu_pipeline.inference.prediction_log.scan import LogScan
from cu_pipeline.inference.prediction_log.vectors import VectorColumn, Vectors

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
            (width,), read when it is asked for. Of a large table text is as `core.lean` has it.
        requests: answers, repeated ones included.
        invalid: lines of the log that are torn or no record.
        other: records that are older, or of other models.
        replays: answers about the product's own clips, which are left out.
        skipped: answers that the log's sample left out.
        answers: one row an answer, oldest first: time, request_id, group, content, latency_ms; only the latest of a
            content's answers is in `table`.
        refusals: requests that were refused: time (a minute's start), reason, requests.
    """

    table: pd.DataFrame
    requests: int
    invalid: int
    other: int
    replays: int
    skipped: int
    answers: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_OF_ANSWERS)))
    refusals: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(_OF_REFUSALS)))

    @property
    def parts(self) -> dict[str, int]:
        """Widths of the parts that all embeddings have, by what made them, in order."""
        layouts = [json.loads(told) for told in self.table["parts"].unique()]
        first: dict[str, int] = layouts[0] if layouts else {}
        return {name: width for name, width in first.items() if all(one.get(name) == width for one in layouts)}

    def embeddings(self, rows: NDArray[np.int64]) -> NDArray[np.float16]:
        """The parts of `parts` of some clips, (n, width): the log's bytes where all clips have the same parts."""
        layouts, found = self.table["parts"].iloc[rows], self.table["embedding"].iloc[rows]
        if len(self.table["parts"].unique()) <= 1 and (matrix := _matrix(found)) is not None:
            return matrix
        wanted, blocks = self.parts, np.zeros((len(rows), sum(self.parts.values())), dtype=np.float16)
        for told in layouts.unique():
            mine = np.flatnonzero((layouts == told).to_numpy())
            whole = np.stack(found.iloc[mine].tolist())
            ends = dict(zip(layout := json.loads(told), np.cumsum(list(layout.values())), strict=True))
            columns = [np.arange(ends[name] - width, ends[name]) for name, width in wanted.items()]
            blocks[mine] = whole[:, np.concatenate([np.empty(0, np.int64), *columns])]
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
        earlier = earlier_equals(self.embeddings(seen))
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
        times = [
            time.isoformat(timespec="seconds")
            for time in (self.table["time"].iloc[place] for place in ((0, -1) if len(self.table) else ()))
        ]
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
    return kept.traffic(pd.DataFrame(told, columns=list(_OF_REFUSALS)), log)


class _Kept:
    """Answers that are added one by one: their columns in a spool, their embeddings beside it."""

    def __init__(self, facts: Sequence[str]) -> None:
        self._facts = facts
        self.requests = 0
        self._spool, self._batch = Spool(), defaultdict[str, list[Any]](list)
        self._stores: dict[int, Vectors] = {}

    def add(self, record: PredictionRecord) -> None:
        """Take the next record of the log."""
        self.requests += 1
        content = content_name(record.media_sha256, record.text_sha256) or _digest(record)
        creator = clean_name(record.creator) if record.creator else ""
        told = {name: record.facts.get(name) for name in TOLD}
        size = len(record.embedding)
        store = self._stores.setdefault(size, Vectors(size))
        row: dict[str, Any] = {
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
            "time": record.time,
            **{name: np.nan if one is None else float(one) for name, one in self._measured(record).items()},
            _STORE: list(self._stores).index(size),
            _NUMBER: store.add(record.embedding),
        }
        for name, value in row.items():
            self._batch[name].append(value)
        if len(self._batch["time"]) == BATCH:
            self._spooled()

    def traffic(self, refusals: pd.DataFrame, log: LogScan) -> Traffic:
        """The latest row of each content, and all answers."""
        self._spooled()
        rows = self._spool.rows()
        whole = lean(rows) if len(rows) > BATCH else rows.frame()
        measured = list(dict.fromkeys((*self._facts, *HAS, "latency_ms")))
        if whole.empty:
            whole = pd.DataFrame(columns=[*_COLUMNS, *TOLD, "time", *measured, _STORE, _NUMBER])
        content = numbered(whole["content"])
        latest = last_of_each(whole, ["content"])
        table = whole if latest.all() else whole[latest].reset_index(drop=True)
        sent = np.bincount(content)[content[latest]] if len(content) else np.empty(0, dtype=np.int64)
        numbers = [table[name].to_numpy(dtype=np.int64) for name in (_STORE, _NUMBER)]
        vectors = VectorColumn(list(self._stores.values()), *numbers)
        table = table.assign(requests=sent)[[*_COLUMNS, *TOLD, "time", "requests", *measured]]
        answers = whole[list(_OF_ANSWERS)]
        if answers.empty:
            answers = answers.assign(time=pd.to_datetime(answers["time"], utc=True))
        counts = (self.requests, log.invalid, log.other, log.replays, log.skipped)
        return Traffic(table.assign(embedding=vectors), *counts, answers, refusals)

    def _spooled(self) -> None:
        import pyarrow as pa

        if self._batch:
            kinds = {"time": pa.timestamp("ns", tz="UTC")}
            self._spool.add(pa.table({name: pa.array(held, kinds.get(name)) for name, held in self._batch.items()}))
            self._batch = defaultdict(list)

    def _measured(self, record: PredictionRecord) -> dict[str, float | None]:
        found = {name: record.facts.get(name) for name in (*self._facts, "has_sound")}
        numbers = {name: value if isinstance(value, float | int) else None for name, value in found.items()}
        length = record.facts.get("text_length")
        has_caption = float(bool(record.text_sha256) or (isinstance(length, float) and length > 0))
        has_video = float(bool(record.media_sha256) or record.facts.get("width") is not None)
        has = {"has_caption": has_caption, "has_video": has_video}
        return numbers | has | {"latency_ms": sum(record.timings.values()) if record.timings else None}


def _matrix(vectors: "pd.Series[Any]") -> NDArray[np.float16] | None:
    """Vectors of one width, (n, width); None for others."""
    found = vectors.array
    return found.matrix() if isinstance(found, VectorColumn) else np.stack(vectors.tolist())


_STORE, _NUMBER = "_store", "_number"
"""Columns that say where an embedding is."""


def _digest(record: PredictionRecord) -> str:
    digest = hashlib.blake2b(record.embedding, digest_size=16)
    digest.update(json.dumps(record.facts, sort_keys=True).encode())
    return digest.hexdigest()

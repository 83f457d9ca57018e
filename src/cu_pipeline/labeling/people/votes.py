"""What people say of clips: their votes by question, and the class probabilities that these add up to."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.core.lean import distinct, last_of_each, places, rows_where
from cu_pipeline.core.rows import BATCH

_USED: Final = ["clip_id", "annotator", "label"]

GOLD = "label"
"""The annotator that stands for the feed's own label column: it is taken as the truth."""


@dataclass(frozen=True)
class Opinion:
    """What one kind of source thinks of each clip; clips of which it thinks the same share a row of probabilities.

    Attributes:
        shared: (m, classes); a single-label row sums to 1.
        row: (n,) which of them each clip has.
        voters: (n,) how many annotations decided; 0 where the source says nothing.
    """

    shared: NDArray[np.float64]
    row: NDArray[np.int32]
    voters: NDArray[np.int64]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of all clips, (n, classes)."""
        return self.shared[self.row]

    def of(self, clips: "slice | NDArray[np.int64] | NDArray[np.bool_]") -> NDArray[np.float64]:
        """The probabilities of some clips, (some, classes)."""
        return self.shared[self.row[clips]]


def count_votes(
    annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability, smoothing: float
) -> Opinion:
    """Turn people's annotations into class probabilities.

    With v of n people for a class, k classes and smoothing s, the probability is (v + s/k) / (n + s), the
    posterior mean under an even Dirichlet prior; a multi-label class is a question of its own with k = 2. A
    clip that the feed itself labels has that label for certain, whatever others think.

    Args:
        annotations: people's, of this capability.
        clip_ids: unique; the rows of the result.
        capability: with its classes.
        smoothing: weight of the prior in votes.
    """
    votes = rows_where(annotations[_USED], annotations["label"] != "")
    votes = rows_where(votes, last_of_each(votes, ["clip_id", "annotator"]))
    rows = places(votes["clip_id"], clip_ids)
    golden = (votes["annotator"] == GOLD).to_numpy(dtype=bool)
    people = _Tally.of(votes["label"], rows, (rows >= 0) & ~golden, capability)
    gold = _Tally.of(votes["label"], rows, (rows >= 0) & golden, capability)
    answers = len(capability.classes) if capability.kind is Kind.SINGLE else 2
    shared = _SharedRows()
    row: NDArray[np.int32] = np.empty(len(clip_ids), dtype=np.int32)
    voters: NDArray[np.int64] = np.empty(len(clip_ids), dtype=np.int64)
    for start in range(0, len(clip_ids), BATCH):
        stop = min(start + BATCH, len(clip_ids))
        (shares, said), (known, by_feed) = people.counts(start, stop), gold.counts(start, stop)
        shares += smoothing / answers
        shares /= (said + smoothing)[:, None]
        np.copyto(shares, known, where=(by_feed > 0)[:, None])
        row[start:stop] = shared.add(shares)
        voters[start:stop] = np.where(by_feed > 0, by_feed, said)
    return Opinion(shared.rows(len(capability.classes)), row, voters)


@dataclass(frozen=True)
class _Tally:
    """Votes that are counted for some clips at a time.

    Attributes:
        clip: (v,) row of the clip of each vote, ascending.
        label: (v,) place in `named`.
        named: (labels, classes): which classes each label names.
    """

    clip: NDArray[np.int64]
    label: NDArray[np.int64]
    named: NDArray[np.bool_]

    @classmethod
    def of(
        cls, labels: "pd.Series[str]", rows: NDArray[np.int64], counted: NDArray[np.bool_], capability: Capability
    ) -> "_Tally":
        """Take the votes that are counted, by the rows of their clips."""
        codes, names = pd.factorize(labels.to_numpy(dtype=object)[counted])
        mine, named = rows[counted], indicators(names, capability)
        if not (np.diff(mine) < 0).any():
            return cls(mine, codes, named)
        order = np.argsort(mine, kind="stable")
        return cls(mine[order], codes[order], named)

    def counts(self, start: int, stop: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Count the votes for each class, (clips, classes), and the voters, (clips,), of some clips."""
        first, last = np.searchsorted(self.clip, [start, stop])
        rows, codes = self.clip[first:last] - start, self.label[first:last]
        counts = np.zeros((stop - start, self.named.shape[1]))
        for place, is_named in enumerate(self.named.T):
            counts[:, place] = np.bincount(rows[is_named[codes]], minlength=stop - start)
        return counts, np.bincount(rows, minlength=stop - start).astype(np.int64)


class _SharedRows:
    """Rows of numbers, of which equal ones are held once."""

    def __init__(self) -> None:
        self._place: dict[bytes, int] = {}

    def add(self, matrix: NDArray[np.float64]) -> NDArray[np.int32]:
        """Add rows, (n, columns); give the place of each, (n,)."""
        place = self._place
        found = (place.setdefault(row.tobytes(), len(place)) for row in matrix)
        return np.fromiter(found, np.int32, len(matrix))

    def rows(self, columns: int) -> NDArray[np.float64]:
        """The rows that differ, (m, columns)."""
        return np.frombuffer(b"".join(self._place), np.float64).reshape(len(self._place), columns)


@dataclass(frozen=True)
class Votes:
    """What people answered to one question about each clip; v votes, each by one person on one clip.

    Attributes:
        clip: (v,) row of the clip.
        annotator: (v,) place in `annotators`.
        answer: (v,) place among the answers.
        clips: number of clips.
        annotators: names.
        answers: number of possible answers.
        gold: (clips,) place of the answer known to be right; -1 where none is known.
    """

    clip: NDArray[np.int64]
    annotator: NDArray[np.int64]
    answer: NDArray[np.int64]
    clips: int
    annotators: tuple[str, ...]
    answers: int
    gold: NDArray[np.int64]

    def counts(self) -> NDArray[np.float64]:
        """Count the votes for each answer, (clips, answers)."""
        cells = np.bincount(self.clip * self.answers + self.answer, minlength=self.clips * self.answers)
        return cells.reshape(self.clips, self.answers).astype(float)


def votes_by_question(annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability) -> dict[str, Votes]:
    """Sort people's annotations of a capability by question.

    A single-label capability asks one question, named "", whose answers are its classes. A multi-label one
    asks for each class whether it holds: answer 0 is no, 1 is yes. The feed's own labels are gold.

    Args:
        annotations: people's, of this capability; of several votes of a person on a clip the last counts.
        clip_ids: unique; votes on other clips are left out.
        capability: with its classes.
    """
    votes = rows_where(annotations[_USED], (annotations["label"] != "") & annotations["clip_id"].isin(clip_ids))
    votes = rows_where(votes, last_of_each(votes, ["clip_id", "annotator"]))
    codes, labels = pd.factorize(votes["label"].to_numpy(dtype=object))
    named = indicators(labels, capability)
    if capability.kind is Kind.SINGLE:
        return {"": _sorted(votes, clip_ids, named.argmax(axis=1)[codes], len(capability.classes))}
    return {
        name: _sorted(votes, clip_ids, one[codes], 2) for name, one in zip(capability.classes, named.T, strict=True)
    }


def _sorted(votes: pd.DataFrame, clip_ids: "pd.Index[str]", answers: NDArray[Any], number: int) -> Votes:
    rows = places(votes["clip_id"], clip_ids)
    given = answers.astype(np.int64)
    golden = (votes["annotator"] == GOLD).to_numpy(dtype=bool)
    gold = np.full(len(clip_ids), -1, dtype=np.int64)
    gold[rows[golden]] = given[golden]
    names = tuple(distinct(votes.loc[~golden, "annotator"]))
    place = places(votes.loc[~golden, "annotator"], pd.Index(names, dtype=object))
    return Votes(rows[~golden], place, given[~golden], len(clip_ids), names, number, gold)

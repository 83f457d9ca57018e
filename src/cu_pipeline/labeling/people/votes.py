"""What people say of clips: their votes by question, and the class probabilities that these add up to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, indicators
from cu_pipeline.core.lean import distinct, last_of_each, places

GOLD = "label"
"""The annotator that stands for the feed's own label column: it is taken as the truth."""


@dataclass(frozen=True)
class Opinion:
    """What one kind of source thinks of each clip.

    Attributes:
        probabilities: (n, classes); a single-label row sums to 1.
        voters: (n,) how many annotations decided; 0 where the source says nothing.
    """

    probabilities: NDArray[np.float64]
    voters: NDArray[np.int64]


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
    votes = annotations[annotations["label"] != ""]
    votes = votes[last_of_each(votes, ["clip_id", "annotator"])]
    golden = votes["annotator"] == GOLD
    people = _tally(votes[~golden], clip_ids, capability)
    gold = _tally(votes[golden], clip_ids, capability)
    has_gold = gold.voters > 0
    answers = len(capability.classes) if capability.kind is Kind.SINGLE else 2
    shares = people.probabilities
    shares += smoothing / answers
    shares /= (people.voters + smoothing)[:, None]
    np.copyto(shares, gold.probabilities, where=has_gold[:, None])
    return Opinion(shares, np.where(has_gold, gold.voters, people.voters))


def _tally(votes: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability) -> Opinion:
    """Count the votes for each class, (n, classes), and the voters, (n,)."""
    rows = places(votes["clip_id"], clip_ids)
    codes, labels = pd.factorize(votes["label"].to_numpy(dtype=object)[rows >= 0])
    rows, named = rows[rows >= 0], indicators(labels, capability)
    counts = np.zeros((len(clip_ids), len(capability.classes)))
    for place, is_named in enumerate(named.T):
        counts[:, place] = np.bincount(rows[is_named[codes]], minlength=len(clip_ids))
    return Opinion(counts, np.bincount(rows, minlength=len(clip_ids)).astype(np.int64))


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
    votes = annotations[(annotations["label"] != "") & annotations["clip_id"].isin(clip_ids)]
    votes = votes[last_of_each(votes, ["clip_id", "annotator"])]
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

"""What people say of clips: their votes by question, and the class probabilities that these add up to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability, Kind, split_label

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
    votes = votes.drop_duplicates(["clip_id", "annotator"], keep="last")
    golden = votes["annotator"] == GOLD
    people = _tally(votes[~golden], clip_ids, capability)
    gold = _tally(votes[golden], clip_ids, capability)
    has_gold = gold.voters > 0
    answers = len(capability.classes) if capability.kind is Kind.SINGLE else 2
    shares = (people.probabilities + smoothing / answers) / (people.voters + smoothing)[:, None]
    return Opinion(
        np.where(has_gold[:, None], gold.probabilities, shares), np.where(has_gold, gold.voters, people.voters)
    )


def _tally(votes: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability) -> Opinion:
    """Count the votes for each class, (n, classes), and the voters, (n,)."""
    column = {name: place for place, name in enumerate(capability.classes)}
    counts = np.zeros((len(clip_ids), len(column)))
    voters = np.zeros(len(clip_ids), dtype=np.int64)
    for row, label in zip(clip_ids.get_indexer(pd.Index(votes["clip_id"])), votes["label"], strict=True):
        if row < 0:
            continue
        voters[row] += 1
        for name in split_label(label, capability.kind):
            counts[row, column[name]] += 1
    return Opinion(counts, voters)


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
    votes = votes.drop_duplicates(["clip_id", "annotator"], keep="last")
    if capability.kind is Kind.SINGLE:
        column = {name: place for place, name in enumerate(capability.classes)}
        answers = [column[split_label(label, capability.kind)[0]] for label in votes["label"]]
        return {"": _sorted(votes, clip_ids, answers, len(column))}
    chosen = [split_label(label, capability.kind) for label in votes["label"]]
    return {name: _sorted(votes, clip_ids, [name in one for one in chosen], 2) for name in capability.classes}


def _sorted(votes: pd.DataFrame, clip_ids: "pd.Index[str]", answers: Sequence[int], number: int) -> Votes:
    rows = clip_ids.get_indexer(pd.Index(votes["clip_id"])).astype(np.int64)
    given = np.asarray(answers, dtype=np.int64)
    golden = (votes["annotator"] == GOLD).to_numpy(dtype=bool)
    gold = np.full(len(clip_ids), -1, dtype=np.int64)
    gold[rows[golden]] = given[golden]
    names = tuple(sorted(set(votes.loc[~golden, "annotator"])))
    place = pd.Index(names).get_indexer(pd.Index(votes.loc[~golden, "annotator"])).astype(np.int64)
    return Votes(rows[~golden], place, given[~golden], len(clip_ids), names, number, gold)

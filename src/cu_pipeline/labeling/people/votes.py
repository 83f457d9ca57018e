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

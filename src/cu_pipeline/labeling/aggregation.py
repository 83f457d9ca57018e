from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import as_json, decide, tied
from cu_pipeline.core.records import LABELS, AnnotatorKind, table
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.certification import accepted_by
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.guarantee.results import CertificationResult
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.sources.eligibility import ineligible_for
from cu_pipeline.labeling.sources.source import (
    TIE,
    Source,
    annotators_of,
    most_confident,
    sources_say,
)


def aggregate(opinions: Opinions, guarantee: Mapping[str, Guarantee], people: PeopleOptions) -> pd.DataFrame:
    """Add annotations up to labels: people's where there are any, else a certified source's, else the surest one's.

    Where people's votes are even nobody has decided: the label has the source `TIE`, which no measurement takes for the
    truth; models learn from its probabilities. Exact copies share their label.

    Args:
        opinions: what everybody says. Labels of ineligible clips are not certified.
        guarantee: capability -> which labels are certified.
        people: how people's answers are weighed.

    Returns:
        A table with the columns of `records.LABELS`: a row for each clip and capability with an annotation.
    """
    tables = []
    for name, capability in opinions.active.items():
        original_of = originals(opinions.clips_of(name))
        mine = opinions.annotations[opinions.annotations["capability"] == name]
        results = guarantee[name].results if name in guarantee else ()
        ineligible = opinions.ineligible[opinions.ineligible["capability"] == name]
        labels = _labels(on_originals(mine, original_of), original_of, capability, results, people, ineligible)
        price = mine.groupby("clip_id")["price"].sum().reindex(labels["clip_id"], fill_value=0.0).round(9)
        tables.append(labels.assign(capability=name, price=price.to_numpy()))
    return table(pd.concat(tables, ignore_index=True), LABELS)


def _labels(
    annotations: pd.DataFrame,
    original_of: "pd.Series[str]",
    capability: Capability,
    results: Sequence[CertificationResult],
    options: PeopleOptions,
    ineligible: pd.DataFrame,
) -> pd.DataFrame:
    clip_ids = pd.Index(original_of.unique())
    people = people_say(by_people(annotations), clip_ids, capability, options)
    sources = sources_say(annotations, clip_ids, capability)
    human = people.voters > 0
    excluded = human | clip_ids.isin(ineligible_for(ineligible, annotators_of(annotations)))
    accepted = np.where(excluded, -1, accepted_by(sources, results, len(clip_ids)))
    chosen = np.where(accepted >= 0, accepted, most_confident(sources, len(clip_ids)))
    told = _Chosen.of(sources, chosen, people.probabilities.shape)
    probabilities = np.where(human[:, None], people.probabilities, told.probabilities)
    voters = np.where(human, people.voters, told.voters)
    known = voters > 0
    even = tied(people.probabilities, capability.kind)
    by_human = decide(people.probabilities[human], capability, clip_ids=clip_ids[human].tolist())
    told.answers[human], told.confidence[human] = by_human.labels, by_human.probability
    frame = pd.DataFrame(
        {
            "label": told.answers[known],
            "probability": told.confidence[known].round(6),
            "probabilities": [as_json(row, capability.classes) for row in probabilities[known]],
            "source": np.where(human, np.where(even, TIE, AnnotatorKind.HUMAN.value), told.names)[known],
            "annotators": voters[known],
            "certified": (accepted >= 0)[known],
        },
        index=clip_ids[known],
    )
    copies = original_of[original_of.isin(frame.index)]
    return frame.loc[copies.tolist()].assign(clip_id=copies.index.to_numpy()).reset_index(drop=True)


@dataclass(frozen=True)
class _Chosen:
    """What the chosen source of each of n clips says; zeros and "" where there is none."""

    probabilities: NDArray[np.float64]
    voters: NDArray[np.int64]
    names: NDArray[np.object_]
    answers: NDArray[np.object_]
    confidence: NDArray[np.float64]

    @classmethod
    def of(cls, sources: Sequence[Source], chosen: NDArray[np.int64], shape: tuple[int, ...]) -> "_Chosen":
        """Take for each clip what the source at the place `chosen` says; -1: none."""
        n = len(chosen)
        texts = [np.full(n, "", dtype=object) for _ in range(2)]
        taken = cls(np.zeros(shape), np.zeros(n, dtype=np.int64), texts[0], texts[1], np.zeros(n))
        for place, source in enumerate(sources):
            mine = chosen == place
            taken.probabilities[mine], taken.voters[mine] = source.probabilities[mine], source.voters[mine]
            taken.names[mine], taken.answers[mine] = source.name, source.answers[mine]
            taken.confidence[mine] = source.confidence[mine]
        return taken

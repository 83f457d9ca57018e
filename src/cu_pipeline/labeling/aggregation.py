from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import as_json, decide, tied
from cu_pipeline.core.lean import below, places, texts
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

_FEW: Final = 1000
"""Texts of probabilities that are kept, so that those who repeat them share them."""


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
        paid = mine["price"].groupby(places(mine["clip_id"], labels["clip_id"])).sum()
        price = paid.reindex(range(len(labels)), fill_value=0.0).round(9)
        tables.append(labels.assign(capability=name, price=price.to_numpy()))
    return table(below(tables), LABELS)


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
    excluded = human | clip_ids.isin(ineligible_for(ineligible, annotators_of(annotations)).index)
    accepted = np.where(excluded, -1, accepted_by(sources, results, len(clip_ids)))
    chosen = np.where(accepted >= 0, accepted, most_confident(sources, len(clip_ids)))
    told = _Chosen.of(sources, chosen, people.probabilities.shape)
    voters = np.where(human, people.voters, told.voters)
    known = voters > 0
    even = tied(people.probabilities, capability.kind)
    by_human = decide(people.probabilities[human], capability, clip_ids=clip_ids[human])
    probabilities = people.probabilities
    np.copyto(probabilities, told.probabilities, where=~human[:, None])
    told.answers[human], told.confidence[human] = by_human.labels, by_human.probability
    frame = pd.DataFrame(
        {
            "label": told.answers[known],
            "probability": told.confidence[known].round(6),
            "probabilities": _written(probabilities, known, capability, original_of),
            "source": np.where(human, np.where(even, TIE, AnnotatorKind.HUMAN.value), told.names)[known],
            "annotators": voters[known],
            "certified": (accepted >= 0)[known],
        }
    )
    place = places(original_of, clip_ids[known])
    mine = place >= 0
    return frame.iloc[place[mine]].assign(clip_id=original_of.index[mine].array).reset_index(drop=True)


def _written(
    probabilities: NDArray[np.float64], known: NDArray[np.bool_], capability: Capability, like: "pd.Series[str]"
) -> "pd.Series[str]":
    """Write the probabilities, (n, classes), of the known clips; where they repeat, equal ones are one text."""
    found: dict[bytes, str] = {}

    def text(row: NDArray[np.float64]) -> str:
        told = found.get(key := row.tobytes())
        if told is None:
            told = as_json(row, capability.classes)
            if len(found) < _FEW:
                found[key] = told
        return told

    rows = np.flatnonzero(known)
    head = {probabilities[row].tobytes() for row in rows[: 2 * _FEW]}
    repeats = len(head) < _FEW
    return texts((text(probabilities[row]) for row in rows), pd.Series(dtype=object) if repeats else like)


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

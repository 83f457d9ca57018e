from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import as_json, decide, tied
from cu_pipeline.core.lean import below, beside, places, rows_where, texts
from cu_pipeline.core.records import LABELS, AnnotatorKind, table
from cu_pipeline.core.rows import BATCH
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.guarantee.certification import accepted_by
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.guarantee.results import CertificationResult
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.people.votes import Opinion
from cu_pipeline.labeling.sources.eligibility import ineligible_for
from cu_pipeline.labeling.sources.source import (
    TIE,
    Source,
    annotators_of,
    most_confident,
    sources_say,
)

_USED: Final = ["clip_id", "annotator", "kind", "label", "probabilities", "version", "price"]
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
        said = opinions.annotations
        mine = rows_where(said[_USED], said["capability"] == name)
        results = guarantee[name].results if name in guarantee else ()
        ineligible = opinions.ineligible[opinions.ineligible["capability"] == name]
        labels = _labels(on_originals(mine, original_of), original_of, capability, results, people, ineligible)
        paid = np.zeros(len(labels))
        priced = mine[(mine["price"] != 0).to_numpy()]
        place = places(priced["clip_id"], labels["clip_id"])
        sums = rows_where(priced, place >= 0)["price"].groupby(place[place >= 0]).sum()
        paid[sums.index] = sums.round(9)
        tables.append(beside(labels, capability=name, price=paid))
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
    voters = people.voters.copy()
    for number, source in enumerate(sources):
        counts = ~human & (chosen == number)
        voters[counts] = source.voters[counts]
    everyone = _Everyone(capability, clip_ids, people, sources, chosen)
    known = np.flatnonzero(voters > 0)
    blocks = [known[at : at + BATCH] for at in range(0, len(known), BATCH)]
    parts = [everyone.labels(rows) for rows in blocks]
    frame = pd.DataFrame(
        {
            "label": _one_column(parts, "label", object),
            "probability": _one_column(parts, "probability", float).round(6),
            "probabilities": _written((everyone.probabilities(rows) for rows in blocks), capability, original_of),
            "source": _one_column(parts, "source", object),
            "annotators": voters[known],
            "certified": (accepted >= 0)[known],
        }
    )
    place = places(original_of, clip_ids[known])
    mine = place >= 0
    each = np.array_equal(place, np.arange(len(frame)))
    found = frame if each else frame.iloc[place[mine]].reset_index(drop=True)
    return beside(found, clip_id=original_of.index[mine].array)


def _one_column(parts: "list[dict[str, NDArray[Any]]]", name: str, kind: Any) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *(part.pop(name) for part in parts)])


def _written(blocks: Iterable[NDArray[np.float64]], capability: Capability, like: "pd.Series[str]") -> "pd.Series[str]":
    """Write the probabilities of clips, blocks of (some, classes); where they repeat, equal ones are one text."""
    found: dict[bytes, str] = {}

    def text(row: NDArray[np.float64]) -> str:
        told = found.get(key := row.tobytes())
        if told is None:
            told = as_json(row, capability.classes)
            if len(found) < _FEW:
                found[key] = told
        return told

    rows = (row for block in blocks for row in block)
    first = list(islice(rows, 2 * _FEW))
    repeats = len({row.tobytes() for row in first}) < _FEW
    return texts(map(text, chain(first, rows)), pd.Series(dtype=object) if repeats else like)


@dataclass(frozen=True)
class _Everyone:
    """What people, and where they are silent the chosen source, say of n clips.

    Attributes:
        capability: with its classes.
        clip_ids: n of them.
        people: what people say.
        sources: others.
        chosen: (n,) place of the one that counts where people are silent; -1: none.
    """

    capability: Capability
    clip_ids: "pd.Index[str]"
    people: Opinion
    sources: Sequence[Source]
    chosen: NDArray[np.int64]

    def probabilities(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Of some clips, (rows, classes)."""
        found = self.people.of(rows)
        for _, source, mine in self._told(rows):
            found[mine] = source.probabilities[rows[mine]]
        return found

    def labels(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Of some clips, (rows,) each: `label`, `probability` that it is right, and `source`."""
        human, said = self.people.voters[rows] > 0, self.people.of(rows)
        even = tied(said, self.capability.kind)
        source = np.where(human, np.where(even, TIE, AnnotatorKind.HUMAN.value), "").astype(object)
        label, probability = np.full(len(rows), "", dtype=object), np.zeros(len(rows))
        decided = decide(said[human], self.capability, clip_ids=self.clip_ids[rows[human]])
        once: dict[str, str] = {}
        label[human] = [once.setdefault(one, one) for one in decided.labels]
        probability[human] = decided.probability
        for name, one, mine in self._told(rows):
            source[mine], label[mine] = name, one.answers[rows[mine]]
            probability[mine] = one.confidence[rows[mine]]
        return {"label": label, "probability": probability, "source": source}

    def _told(self, rows: NDArray[np.int64]) -> Iterator[tuple[str, Source, NDArray[np.bool_]]]:
        """Each source that counts for any of some clips, and for which."""
        place = np.where(self.people.voters[rows] > 0, -1, self.chosen[rows])
        for number in np.unique(place[place >= 0]):
            yield self.sources[number].name, self.sources[number], place == number

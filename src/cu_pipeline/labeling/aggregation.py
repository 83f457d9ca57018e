from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import LABELS, AnnotatorKind, table
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.guarantee.certification import accepted_by
from cu_pipeline.labeling.guarantee.opinions import Opinions
from cu_pipeline.labeling.guarantee.report import Guarantee
from cu_pipeline.labeling.guarantee.results import CertificationResult
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.labeling.sources.eligibility import ineligible_for
from cu_pipeline.labeling.sources.source import (
    Source,
    annotators_of,
    most_confident,
    probabilities_json,
    sources_say,
)


def aggregate(opinions: Opinions, guarantee: Mapping[str, Guarantee], people: PeopleOptions) -> pd.DataFrame:
    """Add annotations up to labels: people's where there are any, else a certified source's, else the surest one's.

    Exact copies share their label.

    Args:
        opinions: what everybody says. Labels of ineligible clips are not certified.
        guarantee: capability -> which labels are certified.
        people: how people's answers are weighed.

    Returns:
        A table with the columns of `records.LABELS`: a row for each clip and capability with an annotation.
    """
    original_of = originals(opinions.clips)
    tables = []
    for name, capability in opinions.active.items():
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
    probabilities, voters, names = _chosen(sources, chosen, people.probabilities.shape)
    probabilities = np.where(human[:, None], people.probabilities, probabilities)
    voters = np.where(human, people.voters, voters)
    known = voters > 0
    labels, certainty = decide(probabilities[known], capability, clip_ids[known].tolist())
    frame = pd.DataFrame(
        {
            "label": labels,
            "probability": certainty.round(6),
            "probabilities": [probabilities_json(row, capability.classes) for row in probabilities[known]],
            "source": np.where(human, AnnotatorKind.HUMAN.value, names)[known],
            "annotators": voters[known],
            "certified": (accepted >= 0)[known],
        },
        index=clip_ids[known],
    )
    copies = original_of[original_of.isin(frame.index)]
    return frame.loc[copies.tolist()].assign(clip_id=copies.index.to_numpy()).reset_index(drop=True)


def _chosen(
    sources: list[Source], chosen: NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.object_]]:
    """Take the probabilities, voters and name of each clip's chosen source; zeros where there is none."""
    probabilities, voters = np.zeros(shape), np.zeros(len(chosen), dtype=np.int64)
    names = np.full(len(chosen), "", dtype=object)
    for place, source in enumerate(sources):
        mine = chosen == place
        probabilities[mine], voters[mine] = source.probabilities[mine], source.voters[mine]
        names[mine] = source.name
    return probabilities, voters, names

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import LABELS, AnnotatorKind, table
from cu_pipeline.labeling.copies import by_people, on_originals, originals
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.guarantee.certify import accepted_by
from cu_pipeline.labeling.guarantee.eligibility import omitted
from cu_pipeline.labeling.guarantee.results import Verdict
from cu_pipeline.labeling.llm import as_json
from cu_pipeline.labeling.options import PeopleOptions
from cu_pipeline.labeling.people.opinions import people_say
from cu_pipeline.labeling.sources.source import Machine, machines_say, most_confident


def aggregate(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    guarantee: Mapping[str, Any],
    options: PeopleOptions,
    not_offered: pd.DataFrame,
) -> pd.DataFrame:
    """Add annotations up to labels: people's where there are any, else a certified machine's, else the surest one's.

    Exact copies share their label.

    Args:
        clips: the table of usable clips.
        annotations: of all sources, with a price each.
        capabilities: the active ones.
        guarantee: capability -> which machine labels are certified.
        options: how people's answers are weighed.
        not_offered: clips that a machine was not offered: their labels are not certified.

    Returns:
        A table with the columns of `records.LABELS`: a row for each clip and capability with an annotation.
    """
    original_of = originals(clips)
    tables = []
    for name, capability in capabilities.items():
        mine = annotations[annotations["capability"] == name]
        verdicts = [Verdict(**verdict) for verdict in guarantee.get(name, {}).get("verdicts", ())]
        passed = not_offered[not_offered["capability"] == name]
        labels = _labels(on_originals(mine, original_of), original_of, capability, verdicts, options, passed)
        price = mine.groupby("clip_id")["price"].sum().reindex(labels["clip_id"], fill_value=0.0).round(9)
        tables.append(labels.assign(capability=name, price=price.to_numpy()))
    return table(pd.concat(tables, ignore_index=True), LABELS)


def _labels(
    annotations: pd.DataFrame,
    original_of: "pd.Series[str]",
    capability: Capability,
    verdicts: list[Verdict],
    options: PeopleOptions,
    passed: pd.DataFrame,
) -> pd.DataFrame:
    clip_ids = pd.Index(original_of.unique())
    people = people_say(by_people(annotations), clip_ids, capability, options)
    machines = machines_say(annotations, clip_ids, capability)
    human = people.voters > 0
    barred = human | clip_ids.isin(omitted(passed, [machine.kind for machine in machines]))
    accepted = np.where(barred, -1, accepted_by(machines, verdicts, len(clip_ids)))
    chosen = np.where(accepted >= 0, accepted, most_confident(machines, len(clip_ids)))
    probabilities, voters, kinds = _chosen(machines, chosen, people.probabilities.shape)
    probabilities = np.where(human[:, None], people.probabilities, probabilities)
    voters = np.where(human, people.voters, voters)
    known = voters > 0
    labels, certainty = decide(probabilities[known], capability, clip_ids[known].tolist())
    frame = pd.DataFrame(
        {
            "label": labels,
            "probability": certainty.round(6),
            "probabilities": [as_json(row, capability.classes) for row in probabilities[known]],
            "source": np.where(human, AnnotatorKind.HUMAN.value, kinds)[known],
            "annotators": voters[known],
            "certified": (accepted >= 0)[known],
        },
        index=clip_ids[known],
    )
    copies = original_of[original_of.isin(frame.index)]
    return frame.loc[copies.tolist()].assign(clip_id=copies.index.to_numpy()).reset_index(drop=True)


def _chosen(
    machines: list[Machine], chosen: NDArray[np.int64], shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.object_]]:
    """Give the probabilities, voters and kind of each clip's chosen machine; zeros where there is none."""
    probabilities, voters = np.zeros(shape), np.zeros(len(chosen), dtype=np.int64)
    kinds = np.full(len(chosen), "", dtype=object)
    for place, machine in enumerate(machines):
        mine = chosen == place
        probabilities[mine], voters[mine] = machine.probabilities[mine], machine.voters[mine]
        kinds[mine] = machine.kind.value
    return probabilities, voters, kinds

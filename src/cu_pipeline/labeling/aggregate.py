import json
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import LABELS, AnnotatorKind, table
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.llm import as_json
from cu_pipeline.labeling.opinions import people_say
from cu_pipeline.labeling.options import PeopleOptions
from cu_pipeline.labeling.votes import Opinion


def aggregate(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Mapping[str, Capability],
    options: PeopleOptions,
) -> pd.DataFrame:
    """Add annotations up to labels: people's where there are any, else the language model's.

    Args:
        clips: the table of usable clips.
        annotations: of all sources, with a price each.
        capabilities: the active ones.
        options: how people's answers are weighed.

    Returns:
        A table with the columns of `records.LABELS`: a row for each clip and capability with an annotation.
    """
    clip_ids = pd.Index(clips["clip_id"])
    tables = [
        _labels(clip_ids, annotations[annotations["capability"] == name], name, capability, options)
        for name, capability in capabilities.items()
    ]
    return table(pd.concat(tables, ignore_index=True), LABELS)


def _labels(
    clip_ids: "pd.Index[str]", annotations: pd.DataFrame, name: str, capability: Capability, options: PeopleOptions
) -> pd.DataFrame:
    kind = annotations["kind"]
    people = people_say(annotations[kind == AnnotatorKind.HUMAN], clip_ids, capability, options)
    llm = _given(annotations[kind == AnnotatorKind.LLM], clip_ids, capability)
    human = people.voters > 0
    probabilities = np.where(human[:, None], people.probabilities, llm.probabilities)
    voters = np.where(human, people.voters, llm.voters)
    labels, certainty = decide(probabilities, capability, list(clip_ids))
    price = annotations.groupby("clip_id")["price"].sum().reindex(clip_ids, fill_value=0.0)
    frame = pd.DataFrame(
        {
            "clip_id": clip_ids,
            "capability": name,
            "label": labels,
            "probability": certainty.round(6),
            "probabilities": [as_json(row, capability.classes) for row in probabilities],
            "source": np.where(human, AnnotatorKind.HUMAN.value, AnnotatorKind.LLM.value),
            "annotators": voters,
            "certified": False,
            "price": price.to_numpy().round(9),
        }
    )
    return frame[voters > 0]


def _given(annotations: pd.DataFrame, clip_ids: "pd.Index[str]", capability: Capability) -> Opinion:
    """Read the probabilities that the annotations bring along."""
    probabilities = np.zeros((len(clip_ids), len(capability.classes)))
    voters = np.zeros(len(clip_ids), dtype=np.int64)
    places = clip_ids.get_indexer(pd.Index(annotations["clip_id"]))
    for row, text in zip(places, annotations["probabilities"], strict=True):
        given = json.loads(text)
        probabilities[row] = [given[one] for one in capability.classes]
        voters[row] = 1
    return Opinion(probabilities, voters)

"""People's labels as a language model's examples and as the truth that it is measured against."""

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.decision import decide
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions


def people_captions(
    clips: pd.DataFrame, annotations: pd.DataFrame, name: str, capability: Capability, options: PeopleOptions
) -> pd.DataFrame:
    """Choose the clips that have a caption and a label by people.

    Args:
        clips: the table of usable clips.
        annotations: opinions from the feed.
        name: of the capability.
        capability: with its classes.
        options: how people's answers are weighed.

    Returns:
        Their rows, with `label` besides, in an order that is fixed by chance.
    """
    found = clips[clips["text"].str.strip() != ""].fillna({"lang": ""})
    mine = annotations[(annotations["kind"] == AnnotatorKind.HUMAN) & (annotations["capability"] == name)]
    said = people_say(mine, pd.Index(found["clip_id"]), capability, options)
    labels = decide(said.probabilities, capability, clip_ids=list(found["clip_id"])).labels
    found = found.assign(label=labels)[said.voters > 0]
    return found.sort_values("clip_id", key=lambda ids: ids.map(unit_interval), ignore_index=True)

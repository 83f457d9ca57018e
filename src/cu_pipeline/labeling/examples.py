"""People's labels as a language model's examples and as the truth that it is measured against."""

from collections.abc import Mapping

import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.labeling.decide import decide
from cu_pipeline.labeling.people.crowd import people_say
from cu_pipeline.labeling.people.options import PeopleOptions
from cu_pipeline.prompting.few_shot import Pool
from cu_pipeline.prompting.plan import Task
from cu_pipeline.prompting.recipe import Example


def people_captions(
    clips: pd.DataFrame, annotations: pd.DataFrame, name: str, capability: Capability, options: PeopleOptions
) -> pd.DataFrame:
    """Give the clips that have a caption and a label by people.

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
    labels, _ = decide(said.probabilities, capability, list(found["clip_id"]))
    found = found.assign(label=labels)[said.voters > 0]
    return found.sort_values("clip_id", key=lambda ids: ids.map(unit_interval), ignore_index=True)


def training_pool(captions: pd.DataFrame, task: Task, limit: int) -> Pool:
    """Give labelled captions of the training split to take examples from, each caption once.

    Args:
        captions: as `people_captions` gives them.
        task: says how long captions may be.
        limit: the most examples.
    """
    training = captions[captions["split"] == Split.TRAIN]
    texts: Mapping[str, str] = {
        task.data(text): label for text, label in zip(training["text"], training["label"], strict=True)
    }
    return Pool(
        tuple(Example(text=text, label=label) for text, label in list(texts.items())[:limit]), task.capability.kind
    )

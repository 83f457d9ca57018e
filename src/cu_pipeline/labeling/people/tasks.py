"""What Label Studio shows to people: its interface, and a task for each clip with its media and what sources think."""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

import pandas as pd

from cu_pipeline.core.capability import NONE, NOT_APPLICABLE, Capability, Kind, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.keys import registry_key
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.people.work_log import Draw
from cu_pipeline.labeling.sources.source import TIE, source_column

Task = dict[str, Any]
"""JSON as Label Studio imports it: `data`, `meta` and `predictions`."""

CAPTION: Final = "caption"
"""Name of the part that shows the caption; every question is about it."""

PLAYED: Final = frozenset({"h264", "vp8", "vp9", "av1"})
"""Codecs that current browsers play."""


def labelling_interface(capabilities: Mapping[str, Capability], *, video: bool = True) -> str:
    """Write the interface in which a person sees the clip and its caption and answers for each capability.

    A class's description shows where the mouse rests on it. A single-label capability takes exactly one class, a
    multi-label one any number of classes, or `none`; each takes `not_applicable` in their place.

    Args:
        capabilities: that are asked about.
        video: whether any of the tasks has one.

    Raises:
        ConfigurationError: a class cannot be shown.
    """
    view = ET.Element("View", style="display: flex; gap: 24px")
    clip, questions = (ET.SubElement(view, "View", style="flex: 1; min-width: 0") for _ in range(2))
    if video:
        ET.SubElement(clip, "Video", name="video", value="$video", height="440")
    ET.SubElement(clip, "Text", name=CAPTION, value="$text")
    for name, capability in capabilities.items():
        meaning = f"{name}: {capability.description}" if capability.description else name
        ET.SubElement(questions, "Header", value=_readable(" ".join(meaning.split())), size="4")
        single = capability.kind is Kind.SINGLE
        choices = ET.SubElement(
            questions,
            "Choices",
            name=control(name),
            toName=CAPTION,
            choice="single-radio" if single else "multiple",
            showInline="false",
            required="true",
            requiredMessage=_readable(f"Answer {name!r}"),
        )
        for one in capability.classes if single else (*capability.classes, NONE):
            described = capability.class_descriptions.get(one)
            hint = {"hint": _readable(" ".join(described.split()))} if described else {}
            ET.SubElement(choices, "Choice", {"value": _readable(one), **hint})
        ET.SubElement(choices, "Choice", {"value": NOT_APPLICABLE, "hint": "The question makes no sense of this clip"})
    ET.indent(view)
    return ET.tostring(view, encoding="unicode")


CONTROL: Final = "label_"
"""How the names of all parts that ask about a capability begin."""


def control(capability: str) -> str:
    """Name the part that asks about a capability.

    >>> control("topic"), control("food, drink")
    ('label_topic', 'label_food-drink-03248188a5')
    """
    return CONTROL + registry_key(capability)


def queue_task(
    clip: Mapping[str, Any], draw: Draw, predictions: list[dict[str, Any]], gold: Mapping[str, str] | None = None
) -> Task:
    """Describe a clip that waits for people.

    Args:
        clip: a row of the clips table, with or without `uncertainty`.
        draw: how it was chosen.
        predictions: what machines think of it.
        gold: capability -> right label, where known.

    Returns:
        A task, whose video is still a stored path.
    """
    meta: dict[str, Any] = {"draw": draw.value, "codec": clip["codec"]}
    if "uncertainty" in clip:
        meta["uncertainty"] = round(float(clip["uncertainty"]), 6)
    if gold:
        meta["gold"] = dict(gold)
    data = {"clip_id": clip["clip_id"], "video": clip["path"], "text": clip["text"]}
    return {"data": data, "meta": meta, "predictions": predictions}


def tie_task(clip: Mapping[str, Any], answers: int) -> Task:
    """Describe a clip on which people's votes are even, and which waits for one more.

    It shows no prediction, so that none decides between people.

    Args:
        clip: as for `queue_task`.
        answers: that people gave in batches so far.
    """
    task = queue_task(clip, Draw.VALUE, [])
    return {**task, "meta": task["meta"] | {"even_of": answers}}


def asking(task: Task, capabilities: Sequence[str], everything: Sequence[str]) -> Task:
    """Note in a task what is asked about its clip, where that is not everything that people are asked about."""
    if list(capabilities) == list(everything):
        return task
    return {**task, "meta": task["meta"] | {"capabilities": list(capabilities)}}


def questions_of(task: Task, everything: Iterable[str]) -> tuple[str, ...]:
    """Read what `asking` noted."""
    noted = task["meta"].get("capabilities")
    return tuple(name for name in everything if noted is None or name in noted)


def machine_predictions(
    labels: pd.DataFrame, annotations: pd.DataFrame, clip_ids: Collection[str], capabilities: Mapping[str, Capability]
) -> dict[str, list[dict[str, Any]]]:
    """Make clip -> pre-annotations: a source's label for each capability that has one, as one prediction.

    Its score is the smallest of the labels' probabilities, its `model_version` names kind and version of the sources.
    """
    machine = labels[
        labels["clip_id"].isin(list(clip_ids))
        & labels["capability"].isin(list(capabilities))
        & ~labels["source"].isin([AnnotatorKind.HUMAN, TIE])
    ]
    place = ["clip_id", "capability", "source"]
    mine = annotations["clip_id"].isin(list(clip_ids))
    named = annotations[mine].assign(source=source_column(annotations)[mine])
    versions = named.drop_duplicates(place, keep="last")
    machine = machine.merge(versions[[*place, "version"]], how="left", on=place)
    return {str(clip): [_prediction(rows, capabilities)] for clip, rows in machine.groupby("clip_id", sort=False)}


def _readable(text: str) -> str:
    if wrong := [character for character in text if unicodedata.category(character) in {"Cc", "Cs"}]:
        raise ConfigurationError(f"{text!r} has {wrong[0]!r}, which Label Studio cannot show: leave that character out")
    return text


def _prediction(rows: pd.DataFrame, capabilities: Mapping[str, Capability]) -> dict[str, Any]:
    sources = dict.fromkeys(
        f"{source} {version or ''}".strip()
        for source, version in zip(rows["source"], rows["version"].fillna(""), strict=True)
    )
    result = [
        {
            "from_name": control(name),
            "to_name": CAPTION,
            "type": "choices",
            "value": {"choices": list(split_label(label, capabilities[name].kind)) or [NONE]},
        }
        for name, label in zip(rows["capability"], rows["label"], strict=True)
    ]
    return {"model_version": ", ".join(sources), "score": round(float(rows["probability"].min()), 6), "result": result}

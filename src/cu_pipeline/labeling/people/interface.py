"""The labelling interface: Label Studio's XML for what people see and answer."""

import unicodedata
from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from cu_pipeline.core.capability import NONE, Capability, Kind
from cu_pipeline.core.errors import ConfigurationError

CAPTION: Final = "caption"
"""Name of the part that shows the caption; every question is about it."""


def labelling_interface(capabilities: Mapping[str, Capability]) -> str:
    """Give the interface in which a person sees the clip and its caption and answers for each capability.

    A class's description shows where the mouse rests on it. A single-label capability takes exactly one class, a
    multi-label one any number of classes, or `none`.

    Raises:
        ConfigurationError: a class cannot be shown.
    """
    view = ET.Element("View", style="display: flex; gap: 24px")
    clip, questions = (ET.SubElement(view, "View", style="flex: 1; min-width: 0") for _ in range(2))
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
    ET.indent(view)
    return ET.tostring(view, encoding="unicode")


def control(capability: str) -> str:
    """Give the name of the part that asks about a capability.

    >>> control("topic")
    'label_topic'
    """
    return f"label_{capability}"


def _readable(text: str) -> str:
    if wrong := [character for character in text if unicodedata.category(character) in {"Cc", "Cs"}]:
        raise ConfigurationError(f"{text!r} has {wrong[0]!r}, which Label Studio cannot show: leave that character out")
    return text

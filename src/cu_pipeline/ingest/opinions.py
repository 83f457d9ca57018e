"""What people said about a clip, as it stands in a manifest's row."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cu_pipeline.core.capability import SEPARATOR, Capabilities, Kind, join_label, split_label

ANNOTATOR: Final = "label"
"""The annotator that stands for a `label` column."""

LABEL: Final = "label"
ANNOTATIONS: Final = "annotations"

Opinions = dict[str, dict[str, str]]
"""Capability to annotator to label."""


def read_opinions(row: Mapping[str, str], capabilities: Capabilities) -> Opinions:
    """Give the labels and annotations of a row; a column with the capability's name goes before the bare one.

    Raises:
        ValueError: an annotations column is not a JSON object of annotator to label.
    """
    opinions: Opinions = {}
    for place, (name, capability) in enumerate(capabilities.root.items()):
        given = _annotations(row, ANNOTATIONS, name, first=place == 0)
        if label := _value(row, LABEL, name, first=place == 0):
            given |= {ANNOTATOR: label}
        if given:
            opinions[name] = {who: _normal(label, capability.kind) for who, label in sorted(given.items())}
    return opinions


def used_columns(capabilities: Iterable[str]) -> Iterator[str]:
    """Give the columns that `read_opinions` reads, by the capabilities' names."""
    names = list(capabilities)
    for column in (LABEL, ANNOTATIONS):
        yield column
        yield from (f"{column}_{name}" for name in names)


def foreign_columns(columns: Iterable[str], capabilities: Capabilities) -> list[str]:
    """Give the columns that look like labels of a capability that is not configured."""
    used = set(used_columns(capabilities.root))
    return [name for name in columns if name.startswith((f"{LABEL}_", f"{ANNOTATIONS}_")) and name not in used]


def _value(row: Mapping[str, str], column: str, name: str, *, first: bool) -> str:
    value = row.get(f"{column}_{name}", "").strip()
    return value or (row.get(column, "").strip() if first else "")


def _annotations(row: Mapping[str, str], column: str, name: str, *, first: bool) -> dict[str, str]:
    value = _value(row, column, name, first=first)
    if not value:
        return {}
    shown = f"{column} {value[:80]!r}"
    try:
        given = json.loads(value)
    except ValueError as error:
        raise ValueError(f"{shown} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValueError(f"{shown} is not a JSON object of annotator to label")
    labels = {who.strip(): _label(label, shown) for who, label in given.items()}
    return {who: label for who, label in labels.items() if label}


def _label(label: object, shown: str) -> str:
    if label is None:
        return ""
    if isinstance(label, dict):
        raise ValueError(f"{shown}: label {label!r} is not a text, a number or a list of classes")
    if isinstance(label, list):
        return SEPARATOR.join(str(part).strip() for part in label) or "none"
    return str(label).strip()


def _normal(label: str, kind: Kind) -> str:
    return join_label(split_label(label, kind), kind)

"""What people said about clips in a feed: its columns of labels and annotations."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from cu_pipeline.core.capability import Capabilities, Kind
from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.ingest.columns import LABEL, VOTES
from cu_pipeline.ingest.labels import read_label

ANNOTATOR: Final = "label"
"""The annotator that stands for a `label` column."""

Opinions = dict[str, dict[str, str]]
"""Capability to annotator to label."""


def read_opinions(row: Mapping[str, str], kinds: Iterable[tuple[str, Kind]]) -> Opinions:
    """Read the labels and annotations of a row; a column with the capability's name goes before the bare one.

    Args:
        row: its values by column.
        kinds: the capabilities' names, in order, and what kind each is of.

    Raises:
        ValueError: an annotations column is not a JSON object of annotator to label, or a label is of no use.
    """
    opinions: Opinions = {}
    for place, (name, kind) in enumerate(kinds):
        given = _annotations(row, name, kind, first=place == 0)
        column, value = _value(row, LABEL, name, first=place == 0)
        if label := read_label(value, kind, f"{column} {value[:80]!r}"):
            given |= {ANNOTATOR: label}
        if given:
            opinions[name] = dict(sorted(given.items()))
    return opinions


def used_columns(capabilities: Iterable[str]) -> Iterator[str]:
    """List the columns that `read_opinions` reads, by the capabilities' names."""
    names = list(capabilities)
    for column in (LABEL, VOTES):
        yield column
        yield from (f"{column}_{name}" for name in names)


def foreign_columns(columns: Iterable[str], capabilities: Capabilities) -> list[str]:
    """Find the columns that look like labels of a capability that is not configured."""
    used = set(used_columns(capabilities.root))
    return [name for name in columns if name.startswith((f"{LABEL}_", f"{VOTES}_")) and name not in used]


def _value(row: Mapping[str, str], column: str, name: str, *, first: bool) -> tuple[str, str]:
    """Find the column that tells something of a capability, and what it tells; "" for nothing."""
    own = f"{column}_{name}"
    if value := row.get(own, "").strip():
        return own, value
    return column, row.get(column, "").strip() if first else ""


def _annotations(row: Mapping[str, str], name: str, kind: Kind, *, first: bool) -> dict[str, str]:
    column, value = _value(row, VOTES, name, first=first)
    if not value:
        return {}
    shown = f"{column} {value[:80]!r}"
    try:
        given = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{shown} is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ValueError(f"{shown} is not a JSON object of annotator to label")
    labels: dict[str, str] = {}
    for who, said in given.items():
        label, annotator = read_label(said, kind, shown), clean_name(who)
        if labels.get(annotator, label) != label:
            raise ValueError(f"{shown}: annotator {annotator!r} stands twice, with different labels: keep one")
        if label:
            labels[annotator] = label
    return labels

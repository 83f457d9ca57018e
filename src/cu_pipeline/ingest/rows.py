"""A feed's rows, checked one by one."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Final

import pandas as pd

from cu_pipeline.core.capability import SEPARATOR, Capabilities, Kind, join_label, split_label
from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.errors import BadClipError, Reason
from cu_pipeline.core.records import ANNOTATIONS, TEXT, AnnotatorKind, table
from cu_pipeline.ingest.language import language_tag
from cu_pipeline.ingest.manifest import PROBLEM, SOURCE

ANNOTATOR: Final = "label"
"""The annotator that stands for a `label` column."""

LABEL: Final = "label"
VOTES: Final = "annotations"

Opinions = dict[str, dict[str, str]]
"""Capability to annotator to label."""


def read_opinions(row: Mapping[str, str], capabilities: Capabilities) -> Opinions:
    """Read the labels and annotations of a row; a column with the capability's name goes before the bare one.

    Raises:
        ValueError: an annotations column is not a JSON object of annotator to label.
    """
    opinions: Opinions = {}
    for place, (name, capability) in enumerate(capabilities.root.items()):
        given = _annotations(row, VOTES, name, first=place == 0)
        if label := _value(row, LABEL, name, first=place == 0):
            given |= {ANNOTATOR: label}
        if given:
            opinions[name] = {who: _normal(label, capability.kind) for who, label in sorted(given.items())}
    return opinions


def feed_annotations(rows: pd.DataFrame) -> pd.DataFrame:
    """List what people said about clips in the feed.

    Args:
        rows: of usable clips, with `clip_id` and `opinions`.

    Returns:
        A table with the columns of `records.ANNOTATIONS`, a row for each clip, capability and annotator, sorted.
    """
    said: list[dict[str, object]] = [
        {
            "clip_id": clip_id,
            "capability": capability,
            "annotator": annotator,
            "kind": AnnotatorKind.HUMAN.value,
            "label": label,
            "probability": float("nan"),
            "probabilities": "",
            "price": 0.0,
            "version": "",
            "draw": "",
        }
        for clip_id, opinions in zip(rows["clip_id"], rows["opinions"], strict=True)
        for capability, labels in json.loads(opinions).items()
        for annotator, label in labels.items()
    ]
    keys = ["clip_id", "capability", "annotator"]
    return table(said, ANNOTATIONS).sort_values(keys).reset_index(drop=True)


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


COLUMNS: Final = ("clip_id", "path", "text", "creator", "posted_at", "lang")
"""The manifest's columns besides those with labels; "" means not given."""

CHECKED: Final = dict.fromkeys((*COLUMNS, "lang_source", "raw_text", "metadata", "opinions", "probe_key"), TEXT)
"""Columns of a table of checked rows.

`text` is cleaned, `raw_text` is not. `metadata` and `opinions` are JSON objects: of the other columns, and
capability -> annotator -> label. `probe_key` is the key of what probing the media finds; "" for text only.
"""

_JSON: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


def check_row(record: Mapping[str, str], capabilities: Capabilities) -> dict[str, str]:
    """Make sense of a manifest's row by itself.

    Returns:
        The columns of `CHECKED`, without a key.

    Raises:
        BadClipError: `bad_row`.
    """
    if problem := record.get(PROBLEM):
        raise BadClipError(Reason.BAD_ROW, problem)
    values = {name: record.get(name, "").strip() for name in COLUMNS}
    values |= {"text": clean_caption(values["text"]), "raw_text": record.get("text", "")}
    if not values["path"] and not values["text"]:
        raise BadClipError(Reason.BAD_ROW, "neither path nor text is given")
    try:
        if values["posted_at"]:
            datetime.fromisoformat(values["posted_at"])
    except ValueError as error:
        detail = f"posted_at {values['posted_at']!r} is not ISO 8601, such as 2026-03-02T08:00:00Z"
        raise BadClipError(Reason.BAD_ROW, detail) from error
    try:
        opinions = read_opinions(record, capabilities)
    except ValueError as error:
        raise BadClipError(Reason.BAD_ROW, str(error)) from error
    known = _known(tuple(capabilities.root))
    others = {name: value for name, value in record.items() if value and name not in known}
    tag = language_tag(values["lang"])
    if values["lang"] and not tag:
        others["lang"] = values["lang"]
    values |= {"lang": tag, "lang_source": "feed" if tag else ""}
    return values | {"metadata": _JSON.encode(others), "opinions": _JSON.encode(opinions), "probe_key": ""}


@cache
def _known(capabilities: tuple[str, ...]) -> frozenset[str]:
    return frozenset({*COLUMNS, PROBLEM, SOURCE, *used_columns(capabilities)})

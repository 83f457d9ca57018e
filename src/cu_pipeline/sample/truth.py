"""What is true of generated clips, for who plays people: the pipeline never reads it."""

import csv
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cu_pipeline.core.json_lines import append_lines, read_lines
from cu_pipeline.sample.generate import TRUTH

TRUTHS: Final = "truths.jsonl"
"""The truth of all clips that a folder ever held: `generate` keeps the last ones only."""

_CAPABILITIES: Final = ("topic", "safety")
_RENAMED: Final = re.compile(r"(v[0-9a-f]{11})(-[0-9a-f]{16})?")

Truth = dict[str, dict[str, str]]
"""Clip -> capability -> right label."""


def keep_truth(folder: Path) -> None:
    """Add the truth of the clips that `generate` left in a folder to what is kept of earlier ones."""
    known = _kept(folder)
    fresh = {clip: labels for clip, labels in _generated(folder).items() if known.get(clip) != labels}
    append_lines(folder / TRUTHS, (json.dumps({"clip_id": clip, **labels}) for clip, labels in fresh.items()))


def known_truth(folders: Iterable[Path]) -> Truth:
    """Read what is true of the clips of some folders."""
    found: Truth = {}
    for folder in folders:
        found |= _kept(folder) | _generated(folder)
    return found


def original_id(clip_id: str) -> str:
    """The id that a clip was generated with; the service's store adds to it where two contents share it.

    >>> original_id("v004b9205d9e-0123456789abcdef"), original_id("v004b9205d9e"), original_id("holiday")
    ('v004b9205d9e', 'v004b9205d9e', 'holiday')
    """
    found = _RENAMED.fullmatch(clip_id)
    return found[1] if found else clip_id


def _kept(folder: Path) -> Truth:
    rows = [json.loads(line) for line in read_lines(folder / TRUTHS)]
    return {row["clip_id"]: {name: row[name] for name in _CAPABILITIES} for row in rows}


def _generated(folder: Path) -> Truth:
    path = folder / TRUTH
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as stream:
        return {row["clip_id"]: {name: row[name] for name in _CAPABILITIES} for row in csv.DictReader(stream)}

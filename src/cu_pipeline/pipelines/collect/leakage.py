from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from cu_pipeline.pipelines.collect.units import caption_key

SHOWN: Final = 20
"""Examples of each kind in the report."""


def find_leakage(clips: pd.DataFrame, duplicates: pd.DataFrame, common_caption: int) -> dict[str, Any]:
    """Count what is shared between splits; looks at the finished table, not at how it was made.

    Args:
        clips: the finished table.
        duplicates: `clip_id` and `duplicate_group`.
        common_caption: how many clips have a caption that says nothing; these are counted apart.

    Returns:
        `creators`, `duplicate_groups`, `captions` and `common_captions` that stand in more than one split, each with
        `shared`, how many, and `examples`; and `clips` by split.
    """
    group_of = dict(zip(duplicates["clip_id"], duplicates["duplicate_group"], strict=True))
    keys = pd.Series([caption_key(text) for text in clips["text"]], dtype="object")
    uses = Counter(keys)
    common = pd.Series([uses[key] >= common_caption for key in keys], dtype=bool)
    captions = clips["text"].reset_index(drop=True)
    splits = clips["split"].tolist()
    groups = [group_of.get(clip, "") for clip in clips["clip_id"]]
    return {
        "clips": dict(sorted(Counter(splits).items())),
        "creators": _shared(clips["creator"].tolist(), clips["creator"].tolist(), splits),
        "duplicate_groups": _shared(groups, groups, splits),
        "captions": _shared(keys.mask(common, "").tolist(), captions.tolist(), splits),
        "common_captions": _shared(keys.where(common, "").tolist(), captions.tolist(), splits),
    }


def _shared(keys: Sequence[str], shown: Sequence[str], splits: Sequence[str]) -> dict[str, object]:
    found: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for key, name, split in zip(keys, shown, splits, strict=True):
        if key:
            found.setdefault(key, set()).add(split)
            names.setdefault(key, name)
    shared = sorted(names[key] for key, places in found.items() if len(places) > 1)
    return {"shared": len(shared), "examples": shared[:SHOWN]}

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.records import LEFT_OUT, Split
from cu_pipeline.splitting.group_keys import caption_key
from cu_pipeline.splitting.groups import size_limit
from cu_pipeline.splitting.options import SplitOptions

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
        `shared`, how many, `examples`, and `clips`, how many clips of validation and test have one of training; and
        `clips` by split.
    """
    clips = clips[clips["split"] != LEFT_OUT]
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


def let_go_in_words(shared: Mapping[str, Any], left_out: int, clips: int, options: SplitOptions) -> str:
    """Say what could not be kept together, why, and what to do; "" where all could.

    Args:
        shared: captions in more than one split.
        left_out: clips that no split could take.
        clips: in the feed.
        options: how clips are divided.
    """
    if not (shared["shared"] or left_out):
        return ""
    limit = size_limit(clips, options.largest_unit)
    return (
        f"{left_out} clips are labelled but neither learned from nor measured on, since their creator and their copies "
        f"are in different splits, and {shared['shared']} captions are in more than one split ({shared['clips']} clips "
        f"of validation and test have one of training): what is tied together has at most {limit:.0f} of {clips} clips "
        f"(collect.split.largest_unit: {options.largest_unit:g}), and no clip moves. Remedy: none is needed; a larger "
        "largest_unit with another salt ties more together, and meets the shares of the splits less"
    )


def _shared(keys: Sequence[str], shown: Sequence[str], splits: Sequence[str]) -> dict[str, object]:
    found: dict[str, Counter[str]] = {}
    names: dict[str, str] = {}
    for key, name, split in zip(keys, shown, splits, strict=True):
        if key:
            found.setdefault(key, Counter())[split] += 1
            names.setdefault(key, name)
    shared = sorted(names[key] for key, places in found.items() if len(places) > 1)
    held_out = sum(places.total() - places[Split.TRAIN] for places in found.values() if places[Split.TRAIN])
    return {"shared": len(shared), "clips": held_out, "examples": shared[:SHOWN]}

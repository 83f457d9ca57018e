"""What is checked of a division: nothing leaks between splits, and they are as large as they are meant to be."""

from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from cu_pipeline.core.records import Split
from cu_pipeline.core.text_columns import Numbers, as_arrow, encoded, places_among
from cu_pipeline.splitting.groups import size_limit
from cu_pipeline.splitting.keys import number_captions, number_names
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.placements import SPLIT_NAMES, TRAIN

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
    split = places_among(as_arrow(clips["split"]), SPLIT_NAMES)
    placed = pa.array(split >= 0)
    clip_ids, creators, texts = (as_arrow(clips[name]).filter(placed) for name in ("clip_id", "creator", "text"))
    split = split[split >= 0]
    groups = groups_of(clip_ids, duplicates)
    caption, captions = number_captions(texts)
    common = np.append(np.bincount(caption[caption >= 0], minlength=len(captions)) >= common_caption, False)[caption]
    sizes = zip(SPLIT_NAMES.to_pylist(), np.bincount(split, minlength=len(SPLIT_NAMES)).tolist(), strict=True)
    return {
        "clips": {name: size for name, size in sorted(sizes) if size},
        "creators": _shared(number_names(creators), creators, split),
        "duplicate_groups": _shared(number_names(groups), groups, split),
        "captions": _shared(np.where(common, -1, caption), texts, split),
        "common_captions": _shared(np.where(common, caption, -1), texts, split),
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


def groups_of(clip_ids: pa.Array, duplicates: pd.DataFrame) -> pa.Array:
    """Tell the duplicate group of each clip; "" for none."""
    row = places_among(clip_ids, as_arrow(duplicates["clip_id"]))
    groups = pa.concat_arrays([as_arrow(duplicates["duplicate_group"]), pa.array([""], pa.large_string())])
    return groups.take(pa.array(np.where(row >= 0, row, len(groups) - 1)))


def _shared(keys: Numbers, shown: pa.Array, split: Numbers) -> dict[str, object]:
    """Count the keys that stand in more than one split.

    Args:
        keys: of the clips, -1 for none, shape (clips,).
        shown: what a key is called at each clip; the first counts.
        split: of the clips.
    """
    clips, size = np.flatnonzero(keys >= 0), int(keys.max(initial=-1)) + 1
    cells = keys[clips] * len(SPLIT_NAMES) + split[clips]
    counts = np.bincount(cells, minlength=size * len(SPLIT_NAMES)).reshape(size, len(SPLIT_NAMES))
    several = clips[(np.count_nonzero(counts, axis=1) > 1)[keys[clips]]]
    first = several[np.unique(keys[several], return_index=True)[1]]
    names = sorted(shown.take(pa.array(first)).to_pylist())
    held_out = np.delete(counts[counts[:, TRAIN] > 0], TRAIN, axis=1).sum()
    return {"shared": len(names), "clips": int(held_out), "examples": names[:SHOWN]}


DEVIATIONS: Final = 5
"""Standard deviations that chance alone hardly ever explains."""

NAMED: Final = 8
"""Large creators that warnings name."""


def check_balance(clips: pd.DataFrame, duplicates: pd.DataFrame, options: SplitOptions) -> dict[str, Any]:
    """Describe the sizes of the splits, and what keeps them from being as asked.

    Args:
        clips: the finished table.
        duplicates: `clip_id` and `duplicate_group`.
        options: how clips are divided.

    Returns:
        `splits`: split -> clips, units (groups), their share and the share asked for (null where a date tells);
        `large_parts`: creators and groups of copies too large to be divided well; `uneven_splits`: those far from
        their share.
    """
    return {
        "splits": _splits(clips, options),
        "large_parts": large_parts(clips, duplicates, options),
        "uneven_splits": uneven_splits(clips, options),
    }


def balance_in_words(found: Mapping[str, Any], clips: int, options: SplitOptions) -> list[str]:
    """Say what of the sizes a person should look at, and what to do."""
    large = [large_in_words(one, clips, options) for one in found["large_parts"][:NAMED]]
    return large + [uneven_in_words(one, clips) for one in found["uneven_splits"]]


def large_parts(clips: pd.DataFrame, duplicates: pd.DataFrame, options: SplitOptions) -> list[dict[str, Any]]:
    """Find the creators and groups of copies that have more of the feed than validation or test shall have.

    Returns:
        For each: `kind` (creator or duplicate group), `name` and `clips`, the largest first.
    """
    named = {
        "creator": as_arrow(clips["creator"]),
        "duplicate group": groups_of(as_arrow(clips["clip_id"]), duplicates),
    }
    limit = size_limit(len(clips), options.least_share)
    found = [
        {"kind": kind, "name": name, "clips": n} for kind, names in named.items() for name, n in _beyond(names, limit)
    ]
    return sorted(found, key=lambda one: (-one["clips"], one["kind"], one["name"]))


def _beyond(names: pa.Array, limit: float) -> list[tuple[str, int]]:
    """Count the names, except "", that more clips have than a limit."""
    number = number_names(names)
    clips = np.flatnonzero(number >= 0)
    counts = np.bincount(number[clips])
    _, first = np.unique(number[clips], return_index=True)
    many = np.flatnonzero(counts > limit)
    return list(zip(names.take(pa.array(clips[first[many]])).to_pylist(), counts[many].tolist(), strict=True))


def uneven_splits(clips: pd.DataFrame, options: SplitOptions) -> list[dict[str, Any]]:
    """Find the splits whose share of the clips is further from what was asked for than chance explains.

    Groups fall into a split with the probability p of its share, each on its own, so its share of the clips has the
    variance p (1 - p) sum(w^2), w being the groups' shares of the clips. None where a date tells test clips.

    Returns:
        For each: `split`, `clips`, `asked_share` and `deviation`, the standard deviation of the share.
    """
    if options.test_from is not None or clips.empty:
        return []
    groups = np.sort(np.bincount(encoded(as_arrow(clips["group"]))[0]))[::-1]
    spread = sqrt(((groups / len(clips)) ** 2).sum())
    asked = {split.value: float(getattr(options, split.value)) for split in Split}
    sizes = clips["split"].value_counts().reindex(list(asked), fill_value=0)
    return [
        {"split": split, "clips": int(sizes[split]), "asked_share": share, "deviation": round(deviation, 6)}
        for split, share in asked.items()
        for deviation in (sqrt(share * (1 - share)) * spread,)
        if abs(sizes[split] / len(clips) - share) > DEVIATIONS * deviation + 1e-9
    ]


def large_in_words(one: dict[str, Any], clips: int, options: SplitOptions) -> str:
    """Say that a creator or a group of copies is too large to be divided well, and what to do."""
    return (
        f"{one['kind']} {one['name']!r} has {one['clips']} of {clips} clips, which stay in one split; validation or "
        f"test shall have {options.least_share:.0%} of all, so the splits cannot be as large as asked. Remedy: collect "
        "clips of others"
    )


def uneven_in_words(one: dict[str, Any], clips: int) -> str:
    """Say that a split is far from its share, and what to do."""
    return (
        f"{one['clips']} of {clips} clips are for {one['split']}, and {one['asked_share']:.0%} were asked for, more "
        f"than {DEVIATIONS} standard deviations ({one['deviation']:.1%} each) away: splits are kept as they were once "
        "given. Remedy: another collect.split.salt divides afresh"
    )


def _splits(clips: pd.DataFrame, options: SplitOptions) -> dict[str, dict[str, Any]]:
    _, first = np.unique(encoded(as_arrow(clips["group"]))[0], return_index=True)
    units = clips["split"].iloc[first].value_counts()
    all_units = max(int(units.sum()), 1)
    asked = {split: getattr(options, split.value) for split in Split}
    return {
        split.value: {
            "clips": int((clips["split"] == split.value).sum()),
            "units": int(units.get(split.value, 0)),
            "share_of_units": round(int(units.get(split.value, 0)) / all_units, 6),
            "asked_share": asked[split] if options.test_from is None else None,
        }
        for split in Split
    }

"""What a person should know of the data before learning from it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capabilities, Kind, split_label
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.splitting.balance import large_in_words, large_parts, uneven_in_words, uneven_splits
from cu_pipeline.splitting.options import CollectOptions

SHOWN: Final = 8
"""Rare classes, or large creators, that warnings name."""

ClassCounts = dict[str, dict[str, dict[str, int]]]
"""Capability to class to split to labelled clips."""


def data_checks(
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    annotations: pd.DataFrame,
    capabilities: Capabilities,
    options: CollectOptions,
) -> dict[str, Any]:
    """Describe the splits, languages and classes of the data.

    Args:
        clips: the table of clips.
        duplicates: `clip_id` and `duplicate_group`.
        annotations: opinions from the feed.
        capabilities: what to recognise.
        options: of the collect pipeline.

    Returns:
        `splits`: split -> clips, units, their share and the share asked for (null where a date tells);
        `languages`: tag -> clips, "" for unknown; `language_sources` likewise; `classes`: capability -> class ->
        split -> clips that people labelled; `rare_classes`: those with too few in a split, and `least`; `large_parts`:
        creators and groups of copies too large to be divided well; `uneven_splits`: those far from their share.
    """
    classes = class_counts(clips, annotations, capabilities)
    return {
        "splits": _splits(clips, options),
        "large_parts": large_parts(clips, duplicates, options.split),
        "uneven_splits": uneven_splits(clips, options.split),
        "languages": _counts(clips["lang"]),
        "language_sources": _counts(clips["lang_source"]),
        "classes": classes,
        "rare_classes": rare_classes(classes, options.checks.rare_class),
        "least": options.checks.rare_class,
    }


def checks_in_words(found: Mapping[str, Any], clips: int, options: CollectOptions) -> list[str]:
    """Say what of the checks a person should look at, and what to do."""
    large = [large_in_words(one, clips, options.split) for one in found["large_parts"][:SHOWN]]
    uneven = [uneven_in_words(one, clips) for one in found["uneven_splits"]]
    rare = [rare_in_words(found["rare_classes"], found["least"])] if found["rare_classes"] else []
    return large + uneven + rare


def class_counts(clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: Capabilities) -> ClassCounts:
    """Count the clips that people gave each class; where they disagree, it must be at least half of them.

    Capabilities without any such label are left out.
    """
    split_of = clips.set_index("clip_id")["split"]
    people = annotations[annotations["kind"] == AnnotatorKind.HUMAN.value]
    counts: ClassCounts = {}
    for name, capability in capabilities.root.items():
        own = people[people["capability"] == name]
        if own.empty:
            continue
        voted = _voted(own, capability.kind)
        table = pd.crosstab(voted["label"], voted["clip_id"].map(split_of))
        named = capability.classes or table.index.tolist()
        table = table.reindex(index=named, columns=[split.value for split in Split], fill_value=0)
        counts[name] = {
            str(label): {split.value: int(row[split.value]) for split in Split} for label, row in table.iterrows()
        }
    return counts


def rare_classes(classes: ClassCounts, least: int) -> list[dict[str, Any]]:
    """Give the classes with fewer labelled clips than `least` in any split."""
    return [
        {"capability": capability, "class": name, **found}
        for capability, of_class in classes.items()
        for name, found in of_class.items()
        if min(found.values()) < least
    ]


def rare_in_words(rare: list[dict[str, Any]], least: int) -> str:
    """Say which classes are rare and what to do."""
    shown = [f"{one['capability']} {one['class']!r} ({_numbers(one)})" for one in rare[:SHOWN]]
    more = [f"and {len(rare) - SHOWN} more"] if len(rare) > SHOWN else []
    return (
        f"{len(rare)} classes have fewer than {least} clips with people's labels in a split, too few to learn or to "
        f"measure: {', '.join(shown + more)}. Remedy: label more of them, or merge classes"
    )


def _numbers(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{split.value} {found[split.value]}" for split in Split)


def _voted(annotations: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Give `clip_id` and `label`, a class, for what at least half of a clip's annotators said."""
    parts = {label: split_label(label, kind) for label in annotations["label"].unique()}
    clips, names = pd.factorize(annotations["clip_id"])
    said = pd.DataFrame({"clip": clips, "label": annotations["label"].map(parts).to_numpy()}).explode("label")
    votes = said.dropna(subset="label").groupby(["clip", "label"], sort=False).size().reset_index(name="votes")
    agreed = votes[2 * votes["votes"] >= np.bincount(clips)[votes["clip"]]]
    return agreed.assign(clip_id=names[agreed["clip"]])


def _splits(clips: pd.DataFrame, options: CollectOptions) -> dict[str, dict[str, Any]]:
    units = clips.drop_duplicates("group")["split"].value_counts()
    all_units = max(int(units.sum()), 1)
    asked = {split: getattr(options.split, split.value) for split in Split}
    return {
        split.value: {
            "clips": int((clips["split"] == split.value).sum()),
            "units": int(units.get(split.value, 0)),
            "share_of_units": round(int(units.get(split.value, 0)) / all_units, 6),
            "asked_share": asked[split] if options.split.test_from is None else None,
        }
        for split in Split
    }


def _counts(values: "pd.Series[str]") -> dict[str, int]:
    return {str(value): int(n) for value, n in values.value_counts().sort_index().items()}

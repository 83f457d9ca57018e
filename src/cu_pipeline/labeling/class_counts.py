"""How many clips of each class people labelled, and which classes have too few."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capabilities, Kind, split_label
from cu_pipeline.core.records import AnnotatorKind, Split

SHOWN: Final = 8
"""Rare classes that a warning names."""

ClassCounts = dict[str, dict[str, dict[str, int]]]
"""Capability to class to split to labelled clips."""


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

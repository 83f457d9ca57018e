"""What people's labels can teach: which capabilities there are, and which of their classes are rare."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import NONE, Capabilities, Kind, split_label
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.core.lean import places, rows_where
from cu_pipeline.core.records import AnnotatorKind, Split
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.ingest.class_names import foreign_in_words
from cu_pipeline.labeling.copies import by_people
from cu_pipeline.labeling.people.votes import GOLD
from cu_pipeline.labeling.scope import Applicability

_log = logging.getLogger(__name__)

_USED: Final = ["clip_id", "annotator", "kind", "label", "capability"]

SHOWN: Final = 8
"""Rare classes that a warning names."""

ClassCounts = dict[str, dict[str, dict[str, int]]]
"""Capability to class to split to labelled clips."""


def resolve_capabilities(
    annotations: pd.DataFrame, capabilities: Capabilities, applicability: Applicability | None = None
) -> ResolvedCapabilities:
    """Decide which capabilities are labelled, with which classes, and which of them can be learned.

    A capability with configured classes needs no person's label to begin with: machines label it and people are asked
    about it. It is trained only when people have labelled it, since nothing else can tell how good a model is.

    Args:
        annotations: people's, of clips that the capabilities apply to.
        capabilities: as configured.
        applicability: where they apply, beside their scopes; None: to all clips.

    Raises:
        ConfigurationError: labels outside the configured classes, or no capability is left.
    """
    people, applicability = by_people(annotations[_USED]), applicability or Applicability()
    active, waiting, skipped, problems = {}, {}, {}, []
    for name, capability in capabilities.root.items():
        labels = people.loc[people["capability"] == name, "label"]
        used = Counter[str]()
        for label, times in labels.value_counts(sort=False).items():
            used.update(dict.fromkeys(split_label(str(label), capability.kind), int(times)))
        classes = capability.classes or tuple(sorted(used))
        if foreign := {one: times for one, times in used.items() if one not in classes}:
            problems.append(foreign_in_words(name, foreign, capability))
        elif reason := applicability.nowhere.get(name) or _unusable(name, len(labels), classes, capability.kind):
            skipped[name] = reason
            _log.warning("capability %s is skipped: %s", name, reason)
        else:
            described = _described(name, classes, capability.class_descriptions)
            active[name] = capability.model_copy(update={"classes": classes, "class_descriptions": described})
            if reason := _unlearnable(len(labels), used, capability.kind):
                waiting[name] = reason
                _log.warning("capability %s is labelled but not trained: %s", name, reason)
    if problems:
        raise ConfigurationError(problems)
    if not active:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise ConfigurationError(f"the feed has nothing to learn from. {reasons}")
    apart = {name: clips for name, clips in applicability.inapplicable.items() if name in active}
    return ResolvedCapabilities(active, waiting, skipped, apart)


def _described(name: str, classes: tuple[str, ...], descriptions: Mapping[str, str]) -> dict[str, str]:
    """Keep the descriptions of the classes that there are, and warn of others."""
    if unknown := sorted(set(descriptions) - set(classes)):
        _log.warning(
            "capability %s: class_descriptions name %s, which no label has; classes are %s",
            name, ", ".join(map(repr, unknown)), ", ".join(classes),
        )  # fmt: skip
    return {one: descriptions[one] for one in classes if one in descriptions}


def _unusable(name: str, labels: int, classes: tuple[str, ...], kind: Kind) -> str:
    """Say why neither machines nor people can be asked about a capability; "" where they can."""
    remedy = f"Name the classes in capabilities.{name}.classes, and machines and people are asked about them"
    if not classes and not labels:
        return f"no person has labelled it and its classes are not known. {remedy}; or give labels in label_{name}"
    if not classes:
        return f"every label is {NONE!r}; at least one class must occur. {remedy}"
    if kind is Kind.SINGLE and len(classes) < 2:
        return f"its only class is {classes[0]!r}; at least two are needed. {remedy}"
    return ""


def _unlearnable(labels: int, used: Mapping[str, int], kind: Kind) -> str:
    """Say why people's labels cannot teach a model yet; "" where they can."""
    if not labels:
        return "no person has labelled it yet"
    if kind is Kind.SINGLE and len(used) < 2:
        return f"people have named no class but {next(iter(used))!r} yet"
    return "" if used else f"people have said nothing but {NONE!r} yet"


def class_counts(clips: pd.DataFrame, annotations: pd.DataFrame, capabilities: Capabilities) -> ClassCounts:
    """Count the clips that people gave each class; where they disagree, it must be half of them, and no tie.

    The feed's own label counts alone.

    Capabilities without any such label are left out.
    """
    people = rows_where(annotations[_USED], annotations["kind"] == AnnotatorKind.HUMAN.value)
    counts: ClassCounts = {}
    for name, capability in capabilities.root.items():
        own = rows_where(people, people["capability"] == name)
        if own.empty:
            continue
        golden = own["annotator"] == GOLD
        voted = _voted(rows_where(own, golden | ~own["clip_id"].isin(own.loc[golden, "clip_id"])), capability.kind)
        place = places(voted["clip_id"], clips["clip_id"])
        known, splits = voted[place >= 0], clips["split"].to_numpy(dtype=object)[place[place >= 0]]
        table = pd.crosstab(known["label"], pd.Series(splits, known.index, dtype=object))
        named = capability.classes or sorted(
            {one for label in own["label"].unique() for one in split_label(label, capability.kind)}
        )
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
    classes = "1 class has" if len(rare) == 1 else f"{len(rare)} classes have"
    return (
        f"{classes} fewer than {least} clips with people's labels in a split, too few to learn or to "
        f"measure: {', '.join(shown + more)}. Remedy: label more of them, or merge classes"
    )


def _numbers(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{split.value} {found[split.value]}" for split in Split)


def _voted(annotations: pd.DataFrame, kind: Kind) -> pd.DataFrame:
    """Give `clip_id` and `label`, a class, for what at least half of a clip's annotators said and as many did not."""
    parts = {label: split_label(label, kind) for label in annotations["label"].unique()}
    clips, names = pd.factorize(annotations["clip_id"])
    said = pd.DataFrame({"clip": clips, "label": annotations["label"].map(parts).to_numpy()}).explode("label")
    votes = said.dropna(subset="label").groupby(["clip", "label"], sort=False).size().reset_index(name="votes")
    all_votes = np.bincount(clips)[votes["clip"]]
    rivals = votes.groupby("clip")["votes"].rank(method="max", ascending=False) if kind is Kind.SINGLE else 2
    agreed = votes[(2 * votes["votes"] > all_votes) | ((2 * votes["votes"] == all_votes) & (rivals == 1))]
    return agreed.assign(clip_id=names[agreed["clip"]])

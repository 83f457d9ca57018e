"""What there is to know about the data, as one JSON value that two versions can be compared by."""

import logging
from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import Reason
from cu_pipeline.core.records import LEFT_OUT, AnnotatorKind, Split
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.baselines import find_shortcut

_log = logging.getLogger(__name__)

Counts = list[tuple[str, int]]
"""Names with their numbers, the commonest first."""

_LISTED = 8

_KEYS: Final = (
    *("clips", "splits", "classes", "rare_classes", "least", "labelled", "languages", "creators", "codecs", "sizes"),
    *("durations", "rejects", "duplicates", "leakage", "agreement", "shortcuts"),
)
"""Of the card, in the order in which they are written."""


def describe_clips(
    clips: pd.DataFrame, rejects: pd.DataFrame, duplicates: pd.DataFrame, leakage: Mapping[str, Any]
) -> dict[str, Any]:
    """The part of the data card about clips, whatever their labels.

    Args:
        clips: the table of clips.
        rejects: of refused inputs.
        duplicates: of near-duplicates.
        leakage: what is shared between splits.
    """
    durations = clips["duration_s"].dropna()
    return {
        "clips": {
            "n": len(clips),
            "with_media": int((clips["path"] != "").sum()),
            "with_text": int((clips["text"] != "").sum()),
            "with_audio": int(clips["has_audio"].sum()),
            "creators": int(clips.loc[clips["creator"] != "", "creator"].nunique()),
            "hours": float(durations.sum() / 3600),
            "gigabytes": float(clips["bytes"].sum() / 1e9),
            "median_s": float(durations.median()) if len(durations) else None,
            "posted": _span(clips["posted_at"]),
        },
        "splits": _split_sizes(clips["split"]),
        "languages": top(clips["lang"].mask(clips["lang"] == "", "unknown"), 12),
        "creators": top(clips["creator"]),
        "codecs": top(clips["codec"]),
        "sizes": top(_sizes(clips)),
        "durations": [round(float(value), 3) for value in np.quantile(durations, np.linspace(0, 1, 41))]
        if len(durations)
        else [],
        "rejects": top(rejects["reason"], len(Reason)),
        "duplicates": _duplicates(duplicates),
        "leakage": {kind: found["shared"] for kind, found in leakage.items() if "shared" in found},
    }


def describe_labels(
    clips: pd.DataFrame, labels: pd.DataFrame, resolved: ResolvedCapabilities, seed: int
) -> dict[str, Any]:
    """The part of the data card about people's labels: how many each split has, and whether metadata tell them.

    Args:
        clips: the table of clips.
        labels: the table of labels.
        resolved: the capabilities that are learned.
        seed: of the check for shortcuts.
    """
    people = labels[labels["source"] == AnnotatorKind.HUMAN]
    answers = {name: _answers(people, name) for name in resolved.active}
    shortcuts = {name: find_shortcut(clips, given, seed) for name, given in answers.items()}
    return {
        "labelled": {name: _by_split(given, clips) for name, given in answers.items()},
        "shortcuts": {name: None if found is None else vars(found) for name, found in shortcuts.items()},
    }


def data_card(
    about_clips: Mapping[str, Any],
    about_labels: Mapping[str, Any],
    checks: Mapping[str, Any],
    agreement: Mapping[str, Any],
    resolved: ResolvedCapabilities,
) -> dict[str, Any]:
    """Describe the data in numbers and say in words what to beware of.

    Args:
        about_clips: see `describe_clips`.
        about_labels: see `describe_labels`.
        checks: of the data, with the labelled clips by class.
        agreement: of people, by capability and question.
        resolved: the capabilities that are learned.

    Returns:
        The `data_card` dataset, with the keys of `_KEYS` and `warnings`.
    """
    found = {
        **about_clips,
        **about_labels,
        "classes": {name: _classes(checks, name, capability) for name, capability in resolved.active.items()},
        "rare_classes": checks["rare_classes"],
        "least": checks["least"],
        "agreement": _agreement(agreement),
    }
    card = {name: found[name] for name in _KEYS}
    warnings = data_warnings(card)
    if warnings:
        things = "1 thing" if len(warnings) == 1 else f"{len(warnings)} things"
        _log.warning("%s to beware of in the data: see data/08_reporting/data_card.html", things)
    return card | {"warnings": warnings}


def top(values: "pd.Series[Any]", most: int = _LISTED) -> Counts:
    """The commonest values with their counts; equal counts in the order of the values."""
    counts = values[values != ""].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return [(str(name), int(n)) for name, n in counts.head(most).items()]


def _split_sizes(splits: "pd.Series[str]") -> list[tuple[str, int]]:
    sizes = [(split.value, int((splits == split).sum())) for split in Split]
    left_out = int((splits == LEFT_OUT).sum())
    return sizes + ([("left out", left_out)] if left_out else [])


def _answers(people: pd.DataFrame, capability: str) -> "pd.Series[str]":
    return people[people["capability"] == capability].set_index("clip_id")["label"]


def _by_split(answers: "pd.Series[str]", clips: pd.DataFrame) -> dict[str, int]:
    counts = clips.loc[clips["clip_id"].isin(answers.index), "split"].value_counts()
    return {split.value: int(counts.get(split.value, 0)) for split in Split}


def _classes(checks: Mapping[str, Any], name: str, capability: Capability) -> dict[str, dict[str, int]]:
    """The labelled clips of a capability by class, in its order, and split."""
    none = dict.fromkeys((split.value for split in Split), 0)
    found = checks["classes"].get(name, {})
    return {one: found.get(one, none) for one in capability.classes}


def _duplicates(duplicates: pd.DataFrame) -> dict[str, int]:
    sizes = duplicates["duplicate_group"].value_counts()
    return {"groups": len(sizes), "clips": len(duplicates), "largest": int(sizes.max()) if len(sizes) else 0}


def _agreement(agreement: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of each question what a reader needs: alpha, its interval, and each person's votes and accuracy."""
    kept = ("votes", "peer_agreement", "accuracy", "verdict")
    return {
        name if question == name else f"{name}: {question}": {
            "alpha": found["alpha"],
            "alpha_ci95": found["alpha_ci95"],
            "people": [{"name": who} | {key: row[key] for key in kept} for who, row in found["annotators"].items()],
        }
        for name, questions in agreement.items()
        for question, found in questions.items()
    }


def _sizes(clips: pd.DataFrame) -> "pd.Series[str]":
    media = clips.dropna(subset=["width", "height"])
    return media["width"].astype(int).astype(str) + " × " + media["height"].astype(int).astype(str)


def _span(dates: "pd.Series[str]") -> list[str] | None:
    known = pd.to_datetime(dates[dates != ""], errors="coerce", utc=True, format="ISO8601").dropna()
    return [known.min().isoformat(), known.max().isoformat()] if len(known) else None


RELIABLE_ALPHA: Final = 0.667
"""Krippendorff's alpha below which he advises against conclusions (Content Analysis, 2004, section 11.4.2)."""

_REFUSED = 0.05
_LARGE_PART = 0.2
_HALF_WIDTH = 0.1


def data_warnings(card: Mapping[str, Any]) -> list[str]:
    """Say in plain words what to beware of in the data, with numbers; nothing where all is well.

    Args:
        card: the data card without its warnings.
    """
    checks = (_leaks, _shortcuts, _small_test, _rare_classes, _disagreement, _refused, _one_creator, _many_copies)
    return [warning for check in checks for warning in check(card)]


def _leaks(card: Mapping[str, Any]) -> Iterator[str]:
    for kind, shared in card["leakage"].items():
        if shared and kind == "captions":
            yield (
                f"{shared} captions are in more than one split, so clips that share them are easier in the test. "
                "Captions tie clips only where units stay small: see leakage.json and collect.split.largest_unit"
            )
        elif shared and kind != "common_captions":
            what = kind.replace("_", " ")
            yield f"{shared} {what} are in more than one split, so test results are too good. See leakage.json"


def _shortcuts(card: Mapping[str, Any]) -> Iterator[str]:
    for name, found in card["shortcuts"].items():
        if found and found["p_value"] < 0.01:
            facts = ", ".join(fact.replace("_", " ") for fact in list(found["telling"])[:3])
            yield (
                f"{name}: metadata alone ({facts}) tell {found['accuracy']:.0%} of {found['n']} labels, always naming "
                f"the commonest label {found['majority']:.0%}. A model may learn how clips were made and not what they "
                "show: compare with the baseline metadata_only, and collect clips where these facts do not go with the "
                "label"
            )


def _small_test(card: Mapping[str, Any]) -> Iterator[str]:
    for name, labelled in card["labelled"].items():
        n = labelled["test"]
        half = 1.96 * sqrt(0.25 / n) if n else 1.0
        if half > _HALF_WIDTH:
            yield (
                f"{name}: {n} labels in the test split, so an accuracy is known to about ±{min(half, 1):.0%} only. "
                "Differences below that say nothing: label more test clips"
            )


def _rare_classes(card: Mapping[str, Any]) -> Iterator[str]:
    for name in card["classes"]:
        rare = [one for one in card["rare_classes"] if one["capability"] == name]
        if rare:
            shown = ", ".join(
                f"{one['class']} ({one['train']}, {one['validation']}, {one['test']})" for one in rare[:8]
            )
            more = f" and {len(rare) - 8} more" if len(rare) > 8 else ""
            yield (
                f"{name}: fewer than {card['least']} labels in a split of {shown}{more}; the numbers are of train, "
                "validation and test. Too few to learn or to measure: label more of them, or merge classes"
            )


def _disagreement(card: Mapping[str, Any]) -> Iterator[str]:
    for question, found in card["agreement"].items():
        if found["alpha"] is not None and found["alpha"] < RELIABLE_ALPHA:
            yield (
                f"{question}: people agree with Krippendorff's alpha {found['alpha']:.2f} only; below {RELIABLE_ALPHA} "
                "labels are not reliable. Sharpen the description of the classes, or ask more people a clip"
            )


def _refused(card: Mapping[str, Any]) -> Iterator[str]:
    refused = sum(n for _, n in card["rejects"])
    rows = refused + card["clips"]["n"]
    if refused > _REFUSED * rows:
        reasons = ", ".join(f"{reason} {n}" for reason, n in card["rejects"][:3])
        yield f"{refused} of {rows} rows were refused ({reasons}): see rejects.csv"


def _one_creator(card: Mapping[str, Any]) -> Iterator[str]:
    for creator, n in card["creators"][:1]:
        if n > _LARGE_PART * card["clips"]["n"] and card["clips"]["creators"] > 1:
            yield f"{n} of {card['clips']['n']} clips are by one creator, {creator}; they are all in one split"


def _many_copies(card: Mapping[str, Any]) -> Iterator[str]:
    largest = card["duplicates"]["largest"]
    if largest > _LARGE_PART * card["clips"]["n"]:
        yield f"{largest} of {card['clips']['n']} clips are copies of one another; they are all in one split"

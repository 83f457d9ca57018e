"""What there is to know about the data, as one JSON value that two versions can be compared by."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import Reason
from cu_pipeline.core.records import LEFT_OUT, AnnotatorKind, Split
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.evaluation.shortcut import find_shortcut
from cu_pipeline.reports.data_warnings import data_warnings

Counts = list[tuple[str, int]]
"""Names with their numbers, the commonest first."""

_LISTED = 8


def data_card(  # noqa: PLR0913, PLR0917 - one argument a dataset
    clips: pd.DataFrame,
    rejects: pd.DataFrame,
    duplicates: pd.DataFrame,
    leakage: Mapping[str, Any],
    checks: Mapping[str, Any],
    labels: pd.DataFrame,
    agreement: Mapping[str, Any],
    resolved: ResolvedCapabilities,
    seed: int,
) -> dict[str, Any]:
    """Describe the data in numbers and say in words what to beware of.

    Args:
        clips: the table of clips.
        rejects: of refused inputs.
        duplicates: of near-duplicates.
        leakage: what is shared between splits.
        checks: of the data, with the labelled clips by class.
        labels: the table of labels.
        agreement: of people, by capability and question.
        resolved: the capabilities that are learned.
        seed: of the check for shortcuts.

    Returns:
        The `data_card` dataset: `clips`, `splits`, `classes`, `rare_classes`, `least`, `labelled`, `languages`,
        `creators`, `codecs`, `sizes`, `durations`, `rejects`, `duplicates`, `leakage`, `agreement`, `shortcuts` and
        `warnings`.
    """
    durations = clips["duration_s"].dropna()
    people = labels[labels["source"] == AnnotatorKind.HUMAN]
    card = {
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
        "classes": {name: _classes(checks, name, capability) for name, capability in resolved.active.items()},
        "rare_classes": checks["rare_classes"],
        "least": checks["least"],
        "labelled": {name: _by_split(_answers(people, name), clips) for name in resolved.active},
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
        "agreement": _agreement(agreement),
        "shortcuts": {
            name: None if found is None else vars(found)
            for name in resolved.active
            for found in (find_shortcut(clips, _answers(people, name), seed),)
        },
    }
    return card | {"warnings": data_warnings(card)}


def top(values: "pd.Series[Any]", most: int = _LISTED) -> Counts:
    """Give the commonest values with their counts; equal counts in the order of the values."""
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
    """Give the labelled clips of a capability by class, in its order, and split."""
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

"""What the service's page shows beside its answers: sample clips, and how good the models were found to be."""

from typing import Any, Final

import pandas as pd

from cu_pipeline.core.records import Split
from cu_pipeline.datasets.samples import SampleClip
from cu_pipeline.models.bundle import Bundle

GENERATED: Final = "sample"
"""The feed whose clips are made by this program, so that everybody may see them."""

SAMPLES: Final = 6


def choose_samples(clips: pd.DataFrame, predictions: pd.DataFrame) -> list[SampleClip]:
    """Choose test clips of the generated feed for the page, one or two of each class that was predicted.

    Returns:
        None of any other feed: its clips are nobody's to show.
    """
    shown = clips[
        (clips["feed"] == GENERATED) & (clips["split"] == Split.TEST) & (clips["path"] != "") & (clips["text"] != "")
    ].sort_values("clip_id")
    if shown.empty:
        return []
    kinds = predictions.groupby("capability")["label"].nunique().sort_index()
    said = predictions[predictions["capability"] == kinds.idxmax()] if len(kinds) else predictions
    label = shown["clip_id"].map(dict(zip(said["clip_id"], said["label"], strict=True))).fillna("")
    chosen = shown.assign(turn=label.groupby(label).cumcount(), label=label).sort_values(
        ["turn", "label"], kind="stable"
    )
    return [SampleClip(path, text) for path, text in zip(chosen["path"], chosen["text"], strict=True)][:SAMPLES]


def quality_of_served(
    champions: dict[str, Bundle], metrics: dict[str, Any], earlier: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Say how often each champion was right on test clips, with a 95 % interval.

    Args:
        champions: by capability.
        metrics: of the models that were trained last.
        earlier: what was said before; a champion that was not measured again keeps it.

    Returns:
        Capability -> `model_version`, `accuracy`, `low`, `high`, `clips`, `units`; nothing of one without test clips.
    """
    known = {name: found for name, one in metrics.items() if (found := _measured(one))}
    told = {name: [one for one in (known.get(name), earlier.get(name)) if one] for name in champions}
    return {
        name: one
        for name, found in told.items()
        for one in found[:2]
        if one["model_version"] == champions[name].version
    }


def _measured(metrics: dict[str, Any]) -> dict[str, Any] | None:
    test = metrics.get("test") or {}
    if test.get("accuracy") is None or "accuracy" not in test.get("ci95", {}):
        return None
    low, high = test["ci95"]["accuracy"]
    return {
        "model_version": metrics["model_version"],
        "accuracy": test["accuracy"],
        "low": low,
        "high": high,
        "clips": test["n"],
        "units": test["units"],
    }

"""Label Studio's tasks: a clip, what a machine thinks of it, and how it was chosen."""

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import NONE, Capability, split_label
from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.people.interface import CAPTION, control
from cu_pipeline.labeling.people.records import Draw

Task = dict[str, Any]
"""JSON as Label Studio imports it: `data`, `meta` and `predictions`."""


def queue_task(
    clip: Mapping[str, Any], draw: Draw, predictions: list[dict[str, Any]], gold: Mapping[str, str] | None = None
) -> Task:
    """Describe a clip that waits for people.

    Args:
        clip: a row of the clips table, with or without `uncertainty`.
        draw: how it was chosen.
        predictions: what machines think of it.
        gold: capability -> right label, where known.

    Returns:
        A task, whose video is still a stored path.
    """
    meta: dict[str, Any] = {"draw": draw.value, "codec": clip["codec"]}
    if "uncertainty" in clip:
        meta["uncertainty"] = round(float(clip["uncertainty"]), 6)
    if gold:
        meta["gold"] = dict(gold)
    data = {"clip_id": clip["clip_id"], "video": clip["path"], "text": clip["text"]}
    return {"data": data, "meta": meta, "predictions": predictions}


def machine_predictions(
    labels: pd.DataFrame, annotations: pd.DataFrame, clip_ids: Collection[str], capabilities: Mapping[str, Capability]
) -> dict[str, list[dict[str, Any]]]:
    """Give clip -> pre-annotations: the machine's label for each capability that has one, as one prediction.

    Its score is the smallest of the labels' probabilities, its `model_version` names kind and version of the sources.
    """
    machine = labels[
        labels["clip_id"].isin(list(clip_ids))
        & labels["capability"].isin(list(capabilities))
        & (labels["source"] != AnnotatorKind.HUMAN)
    ]
    versions = annotations.drop_duplicates(["clip_id", "capability", "kind"], keep="last")
    machine = machine.merge(
        versions[["clip_id", "capability", "kind", "version"]],
        how="left",
        left_on=["clip_id", "capability", "source"],
        right_on=["clip_id", "capability", "kind"],
    )
    return {str(clip): [_prediction(rows, capabilities)] for clip, rows in machine.groupby("clip_id", sort=False)}


def _prediction(rows: pd.DataFrame, capabilities: Mapping[str, Capability]) -> dict[str, Any]:
    sources = dict.fromkeys(
        f"{source} {version or ''}".strip()
        for source, version in zip(rows["source"], rows["version"].fillna(""), strict=True)
    )
    result = [
        {
            "from_name": control(name),
            "to_name": CAPTION,
            "type": "choices",
            "value": {"choices": list(split_label(label, capabilities[name].kind)) or [NONE]},
        }
        for name, label in zip(rows["capability"], rows["label"], strict=True)
    ]
    return {"model_version": ", ".join(sources), "score": round(float(rows["probability"].min()), 6), "result": result}

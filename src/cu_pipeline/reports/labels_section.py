from itertools import combinations
from typing import Any

import pandas as pd

from cu_pipeline.reports.cards import Cards, spread


def labels_section(
    annotations: pd.DataFrame, labels: pd.DataFrame, resolved: dict[str, Any], clips: int, cards: Cards
) -> dict[str, Any]:
    """Describe the labels: where each comes from, what it cost and how far people agree.

    Args:
        annotations: the feed's opinions.
        labels: what all opinions add up to.
        resolved: the capabilities that are learned, and those that are not and why.
        clips: how many there are.
        cards: makes the cards.
    """
    capabilities = [
        _capability(
            name, labels[labels["capability"] == name], annotations[annotations["capability"] == name], clips, cards
        )
        for name in resolved["active"]
    ]
    return {
        "money": float(labels["price"].sum()),
        "n": len(labels),
        "certified": int(labels["certified"].sum()),
        "capabilities": capabilities,
        "skipped": resolved["skipped"],
    }


def _capability(name: str, labels: pd.DataFrame, annotations: pd.DataFrame, clips: int, cards: Cards) -> dict[str, Any]:
    sources = labels.groupby("source").agg(
        n=("clip_id", "size"), money=("price", "sum"), sure=("probability", "mean"), certified=("certified", "sum")
    )
    agreement, pairs = _agreement(annotations)
    counts = labels["label"].value_counts().sort_index().sort_values(ascending=False, kind="stable").head(12)
    return {
        "name": name,
        "n": len(labels),
        "share": len(labels) / max(clips, 1),
        "sources": [
            {
                "source": source,
                "n": int(row["n"]),
                "money": float(row["money"]),
                "sure": None if pd.isna(row["sure"]) else float(row["sure"]),
                "certified": int(row["certified"]),
            }
            for source, row in sources.iterrows()
        ],
        "classes": [(str(label), int(n), float(n / counts.max())) for label, n in counts.items()],
        "agreement": agreement,
        "pairs": pairs,
        "examples": [
            cards.card(clip, labels.loc[labels["clip_id"] == clip, "label"].iloc[0])
            for clip in spread(labels, "label", 6)
        ],
    }


def _agreement(annotations: pd.DataFrame) -> tuple[float | None, int]:
    """Give the share of pairs of annotators of one clip that agree, and the number of pairs."""
    pairs = [
        first == second
        for _, given in annotations.groupby("clip_id")["label"]
        for first, second in combinations(given, 2)
    ]
    return (sum(pairs) / len(pairs) if pairs else None), len(pairs)

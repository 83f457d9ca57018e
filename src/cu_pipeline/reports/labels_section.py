from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.labeling.costs import read_summary
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.money import Money
from cu_pipeline.labeling.people.work_log import Draw
from cu_pipeline.labeling.sources.source import source_words
from cu_pipeline.reports.cards import Card, Cards, Section, data_uri, spread
from cu_pipeline.reports.figures import money_figure, svg

SUSPECTS: Final = 12
"""Doubtful labels that are shown for a capability, at most."""


def labels_section(
    clips: pd.DataFrame, annotations: pd.DataFrame, labels: pd.DataFrame, resolved: ResolvedCapabilities
) -> Section:
    """Describe the labels: where each comes from and how far annotators agree.

    Args:
        clips: the table of clips.
        annotations: the feed's opinions.
        labels: what all opinions add up to.
        resolved: the capabilities that are labelled, and those that are not learned and why.
    """
    cards = Cards(clips)
    shown = {
        "n": len(labels),
        "certified": int(labels["certified"].sum()),
        "capabilities": [
            _capability(
                name, labels[labels["capability"] == name], annotations[annotations["capability"] == name], cards
            )
            for name in resolved.active
        ],
        "waiting": resolved.waiting,
        "skipped": resolved.skipped,
    }
    return cards.section(shown)


def with_scopes(section: Section, scopes: Mapping[str, Any]) -> Section:
    """Add where capabilities apply, and which scope people's answers advise.

    Args:
        section: about the labels.
        scopes: capability -> the same in numbers and words, of those that do not simply apply to all clips.
    """
    capabilities = [one | {"scope": scopes.get(one["name"])} for one in section.shown["capabilities"]]
    return Section(section.shown | {"capabilities": capabilities}, section.media)


def with_evidence(
    section: Section,
    clips: pd.DataFrame,
    guarantee: dict[str, Guarantee],
    errors: dict[str, Any],
    summary: dict[str, Any],
    queue: list[dict[str, Any]],
) -> Section:
    """Add what is known of labels besides them.

    Args:
        section: about the labels.
        clips: the table of clips.
        guarantee: capability -> which labels are certified, and why.
        errors: capability -> people's labels, the most doubtful first.
        summary: money, and of each capability the cost of a right label and the agreement between sources.
        queue: the tasks that wait for people.
    """
    cards = Cards(clips)
    money, about = read_summary(summary)
    capabilities = [
        one
        | {"guarantee": guarantee.get(one["name"])}
        | _between_sources(about.get(one["name"], {}))
        | _suspects(errors.get(one["name"], {}), cards)
        for one in section.shown["capabilities"]
    ]
    shown = section.shown | {"spent": _spent(money), "capabilities": capabilities, "queue": _queue(queue)}
    return Section(shown, section.media | cards.section(shown).media)


def _queue(tasks: list[dict[str, Any]]) -> dict[str, int]:
    """Numbers of clips that wait for people, in all and by how they were drawn."""
    return {"n": len(tasks)} | {draw.value: sum(task["meta"]["draw"] == draw for task in tasks) for draw in Draw}


def _between_sources(summary: dict[str, Any]) -> dict[str, Any]:
    """What labels by machines save, what a right label costs, and how far sources agree."""
    return {
        "share": summary.get("coverage", 0.0),
        "cost": {"value": None, "ci95": None, "basis": ""} | summary.get("cost_per_correct", {}),
        "between": [
            pair | {"sources": [source_words(one) for one in pair["sources"]]} for pair in summary.get("agreement", [])
        ],
    }


def _suspects(errors: dict[str, Any], cards: Cards) -> dict[str, Any]:
    return {
        "looked_at": errors.get("clips", 0),
        "suspects": [_suspect(one, cards) for one in errors.get("suspects", [])[:SUSPECTS]],
    }


def _suspect(found: dict[str, Any], cards: Cards) -> Card:
    notes = (f"{found['label']}? Rather {found['suggested']}", f"right with {found['score']:.0%}")
    return cards.card(found["clip_id"], *notes, good=False)


def _spent(money: Money) -> dict[str, Any]:
    """The money that was ever paid, as a picture by source and as rows by capability and source."""
    total = money.total
    rows = [
        {
            "capability": row.capability,
            "source": row.source,
            "entries": row.entries,
            "tokens": row.tokens,
            "usd": money.words(row.usd, row.exact_usd),
            "added": money.words(row.added_usd),
            "unused": money.unused_words(row),
        }
        for row in (*money.rows, total)
    ]
    bars = [(row.source, row.exact_usd, money.words(row.usd, row.exact_usd)) for row in money.by_source()]
    return {
        "total": rows[-1]["usd"],
        "rows": rows[:-1],
        "sum": rows[-1],
        "added_at": money.added_at,
        "figure": data_uri(svg(money_figure(bars)), "image/svg+xml") if bars else "",
    }


def _capability(name: str, labels: pd.DataFrame, annotations: pd.DataFrame, cards: Cards) -> dict[str, Any]:
    sources = labels.groupby("source").agg(
        n=("clip_id", "size"), sure=("probability", "mean"), certified=("certified", "sum")
    )
    agreement, pairs = _agreement(annotations)
    counts = labels["label"].value_counts().sort_index().sort_values(ascending=False, kind="stable").head(12)
    return {
        "name": name,
        "scope": None,
        "n": len(labels),
        "sources": [
            {
                "source": source,
                "n": int(row["n"]),
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
    """The share of pairs of annotators of one clip that agree, and the number of pairs."""
    pairs = [
        first == second
        for _, given in annotations.groupby("clip_id")["label"]
        for first, second in combinations(given, 2)
    ]
    return (sum(pairs) / len(pairs) if pairs else None), len(pairs)

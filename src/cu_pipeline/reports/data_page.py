from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.reports.cards import Card, Cards, data_uri, spread
from cu_pipeline.reports.data_section import MEANINGS
from cu_pipeline.reports.figures import quantile_figure, svg
from cu_pipeline.reports.options import ReportOptions
from cu_pipeline.reports.templating import environment

_ROW = 8


def render_data_page(
    card: Mapping[str, Any],
    clips: pd.DataFrame,
    duplicates: pd.DataFrame,
    thumbnails: Path,
    options: ReportOptions,
    mapper: Mapper,
) -> str:
    """Write the data card as one self-contained page.

    Args:
        card: the `data_card` dataset.
        clips: the table of clips.
        duplicates: of near-duplicates.
        thumbnails: folder that keeps pictures between runs.
        options: what is shown.
        mapper: makes the pictures.

    Returns:
        HTML that needs no other file and no network.
    """
    cards = Cards(clips)
    shown = {
        "groups": duplicate_rows(clips, duplicates, cards, options.duplicate_groups),
        "strip": [cards.card(clip) for clip in spread(clips, "creator", options.thumbnails)],
        "durations": _picture(card["durations"]),
        "shared": [(kind.replace("_", " "), n) for kind, n in card["leakage"].items()],
        "meanings": MEANINGS,
    }
    pictures = cards.pictures(thumbnails, options, mapper)
    return (
        environment().get_template("data_card.html.j2").render(card=card, options=options, pictures=pictures, **shown)
    )


def duplicate_rows(clips: pd.DataFrame, duplicates: pd.DataFrame, cards: Cards, most: int) -> list[dict[str, Any]]:
    """Give the groups of near-duplicates, the largest first, as rows of at most 8 cards.

    Returns:
        For each of at most `most` groups: `cards`, `n`, how many clips it has, and `split`.
    """
    facts = clips.set_index("clip_id")
    known = duplicates[duplicates["clip_id"].isin(facts.index)]
    sizes = known["duplicate_group"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return [
        {
            "n": int(n),
            "split": str(facts.loc[members["clip_id"].iloc[0], "split"]),
            "cards": [_member(row, facts, cards) for row in members.head(_ROW).to_dict("records")],
        }
        for group, n in sizes.head(most).items()
        for members in (known[known["duplicate_group"] == group].sort_values("clip_id"),)
    ]


def _member(row: Mapping[Any, Any], facts: pd.DataFrame, cards: Cards) -> Card:
    clip = facts.loc[row["clip_id"]]
    size = (
        "" if pd.isna(clip["width"]) else f"{clip['width']:.0f} × {clip['height']:.0f}, {clip['duration_s']:.1f}\u00a0s"
    )
    apart = "the same bytes" if row["bits"] == 0 else f"{row['bits']:.1f} bits apart"
    return cards.card(row["clip_id"], clip["creator"], size, apart)


def _picture(quantiles: list[float]) -> str | None:
    return data_uri(svg(quantile_figure(quantiles, "duration, s")), "image/svg+xml") if quantiles else None

"""The data card as a page, and the section about data that the report shares with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from cu_pipeline.compute.mapper import Mapper
from cu_pipeline.core.errors import Reason
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.reports.cards import Card, Cards, ReportOptions, Section, data_uri, pictures, spread
from cu_pipeline.reports.figures import quantile_figure, svg
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
    made = pictures(cards.section(shown).media, thumbnails, options, mapper)
    return environment().get_template("data_card.html.j2").render(card=card, options=options, pictures=made, **shown)


def duplicate_rows(clips: pd.DataFrame, duplicates: pd.DataFrame, cards: Cards, most: int) -> list[dict[str, Any]]:
    """The groups of near-duplicates, the largest first, as rows of at most 8 cards.

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


MEANINGS: Final[dict[str, str]] = {
    Reason.MISSING: "the file is not there",
    Reason.UNREACHABLE: "its store did not give the file",
    Reason.EMPTY: "the file has no bytes, and there is no caption",
    Reason.NOT_MEDIA: "the file is no media file",
    Reason.NO_VIDEO: "there is no video in it",
    Reason.NO_FRAMES: "no frame can be decoded",
    Reason.TRUNCATED: "the file ends too early",
    Reason.TOO_LARGE: "more bytes than allowed",
    Reason.TOO_LONG: "longer than allowed",
    Reason.TOO_MANY_PIXELS: "larger pictures than allowed",
    Reason.TIMEOUT: "decoding took too long",
    Reason.CRASHED: "the decoder crashed",
    Reason.DUPLICATE_ID: "the id occurs twice",
    Reason.BAD_ROW: "the row cannot be read",
    Reason.ERASED: "it was erased, and was brought again",
}


def data_section(
    card: Mapping[str, Any], clips: pd.DataFrame, rejects: pd.DataFrame, options: ReportOptions
) -> Section:
    """Sum up the data card for the report, with pictures, with what was refused and with the version of the data.

    Args:
        card: the `data_card` dataset.
        clips: the table of clips.
        rejects: the table of refused inputs.
        options: how many clips are in the strip.
    """
    cards = Cards(clips)
    shown = {
        **card["clips"],
        "splits": card["splits"],
        "languages": card["languages"],
        "top_creators": card["creators"],
        "repeated": card["duplicates"]["clips"] - card["duplicates"]["groups"],
        "warnings": card["warnings"],
        "rejects": rejects.to_dict("records")[:50],
        "rejected": len(rejects),
        "reasons": [(code, MEANINGS[code], n) for code, n in card["rejects"]],
        "strip": [cards.card(clip, _facts(clips, clip)) for clip in spread(clips, "creator", options.thumbnails)],
        "version": text_sha256("".join(sorted(clips["clip_id"] + clips["media_sha256"])))[:12],
    }
    return cards.section(shown)


def _facts(clips: pd.DataFrame, clip_id: Any) -> str:
    row = clips.loc[clips["clip_id"] == clip_id].iloc[0]
    length = "text only" if pd.isna(row["duration_s"]) else f"{row['duration_s']:.1f}\u00a0s"
    return " · ".join(part for part in (row["creator"], length) if part)

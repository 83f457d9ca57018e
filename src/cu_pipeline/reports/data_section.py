from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.errors import Reason
from cu_pipeline.reports.cards import Cards, spread

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
}


def data_section(
    card: Mapping[str, Any], clips: pd.DataFrame, rejects: pd.DataFrame, cards: Cards, most: int
) -> dict[str, Any]:
    """Sum up the data card, with pictures and with what was refused.

    Args:
        card: the `data_card` dataset.
        clips: the table of clips.
        rejects: the table of refused inputs.
        cards: makes the cards.
        most: clips in the strip.
    """
    return {
        **card["clips"],
        "splits": card["splits"],
        "languages": card["languages"],
        "top_creators": card["creators"],
        "repeated": card["duplicates"]["clips"] - card["duplicates"]["groups"],
        "warnings": card["warnings"],
        "rejects": rejects.to_dict("records")[:50],
        "rejected": len(rejects),
        "reasons": [(code, MEANINGS.get(code, ""), n) for code, n in card["rejects"]],
        "strip": [cards.card(clip, _facts(clips, clip)) for clip in spread(clips, "creator", most)],
    }


def _facts(clips: pd.DataFrame, clip_id: Any) -> str:
    row = clips.loc[clips["clip_id"] == clip_id].iloc[0]
    length = "text only" if pd.isna(row["duration_s"]) else f"{row['duration_s']:.1f}\u00a0s"
    return " · ".join(part for part in (row["creator"], length) if part)

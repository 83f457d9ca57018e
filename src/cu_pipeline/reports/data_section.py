from typing import Any, Final

import pandas as pd

from cu_pipeline.core.errors import Reason
from cu_pipeline.core.records import Split
from cu_pipeline.reports.cards import Cards, data_uri, spread
from cu_pipeline.reports.figures import histogram_figure, svg

MEANINGS: Final[dict[str, str]] = {
    Reason.MISSING: "the file is not there",
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


def data_section(clips: pd.DataFrame, rejects: pd.DataFrame, cards: Cards, most: int) -> dict[str, Any]:
    """Describe the clips: how many, of whom, how long, and what was refused.

    Args:
        clips: the table of clips.
        rejects: the table of refused inputs.
        cards: makes the cards.
        most: clips in the strip.
    """
    durations = clips["duration_s"].dropna()
    return {
        "n": len(clips),
        "with_media": int((clips["path"] != "").sum()),
        "creators": int(clips.loc[clips["creator"] != "", "creator"].nunique()),
        "hours": float(durations.sum() / 3600),
        "median_s": float(durations.median()) if len(durations) else None,
        "splits": [(split.value, int((clips["split"] == split).sum())) for split in Split],
        "languages": _top(clips["lang"]),
        "top_creators": _top(clips["creator"]),
        "codecs": _top(clips["codec"]),
        "sizes": _top(_sizes(clips)),
        "durations": data_uri(svg(histogram_figure(durations.tolist(), "duration, s")), "image/svg+xml")
        if len(durations)
        else None,
        "rejects": rejects.to_dict("records")[:50],
        "rejected": len(rejects),
        "reasons": [(code, MEANINGS.get(code, ""), n) for code, n in _top(rejects["reason"], len(Reason))],
        "strip": [cards.card(clip, _facts(clips, clip)) for clip in spread(clips, "creator", most)],
    }


def _sizes(clips: pd.DataFrame) -> "pd.Series[str]":
    media = clips.dropna(subset=["width", "height"])
    return media["width"].astype(int).astype(str) + " × " + media["height"].astype(int).astype(str)


def _facts(clips: pd.DataFrame, clip_id: Any) -> str:
    row = clips.loc[clips["clip_id"] == clip_id].iloc[0]
    length = "text only" if pd.isna(row["duration_s"]) else f"{row['duration_s']:.1f}\u00a0s"
    return " · ".join(part for part in (row["creator"], length) if part)


def _top(values: "pd.Series[Any]", most: int = 8) -> list[tuple[str, int]]:
    """Give the commonest values with their counts; equal counts in the order of the values."""
    known = values[values != ""]
    counts = known.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    return [(str(name), int(n)) for name, n in counts.head(most).items()]

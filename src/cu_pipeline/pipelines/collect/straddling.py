"""Clips that no split can take without a leak."""

from collections.abc import Mapping, Sequence

import pandas as pd

from cu_pipeline.core.errors import Reason
from cu_pipeline.core.records import REJECTS, Split, table
from cu_pipeline.pipelines.collect.ledger import Given
from cu_pipeline.pipelines.collect.ties import CREATOR, Ties
from cu_pipeline.pipelines.collect.units import Units


def straddled(ties: Sequence[Ties], units: Units, assigned: Mapping[str, Given], now: Mapping[str, Given]) -> list[str]:
    """Say of each clip why no split can take it: its creator, its copies and it itself are placed apart.

    Args:
        ties: of each clip.
        units: what is placed together.
        assigned: what each unit has.
        now: what each key has.

    Returns:
        Of each clip what is where; "" where all is in one split.
    """
    return [_apart(clip, assigned[units.of[clip.content]].split, now) for clip in ties]


def refuse_straddled(rows: pd.DataFrame, reasons: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide rows into those that a split can take, and refused ones."""
    details = pd.Series(reasons, rows.index, dtype=object)
    refused = rows.loc[details != "", ["clip_id", "path"]]
    refused = refused.assign(reason=Reason.BETWEEN_SPLITS.value, detail=details[details != ""])
    return rows[details == ""], table(refused, REJECTS)


def _apart(clip: Ties, copies: Split, now: Mapping[str, Given]) -> str:
    places = {f"creator {clip.creator.removeprefix(CREATOR)!r}": now[clip.creator].split} if clip.creator else {}
    places |= {"the clip until now": now[clip.content].split, "its copies": copies}
    if len(set(places.values())) == 1:
        return ""
    if now[clip.content].split is copies:
        del places["the clip until now"]
    return ", ".join(f"{what}: {split.value}" for what, split in places.items())

"""Clips that no split can take without a leak."""

from collections.abc import Mapping, Sequence

from cu_pipeline.core.records import LEFT_OUT, Split
from cu_pipeline.splitting.assignment import Given
from cu_pipeline.splitting.group_keys import CREATOR, Ties
from cu_pipeline.splitting.groups import Units


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


def leave_out(splits: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """Give each clip's split, which is `left_out` where there is a reason."""
    return [LEFT_OUT if reason else split for split, reason in zip(splits, reasons, strict=True)]


def _apart(clip: Ties, copies: Split, now: Mapping[str, Given]) -> str:
    places = {f"creator {clip.creator.removeprefix(CREATOR)!r}": now[clip.creator].split} if clip.creator else {}
    places |= {"the clip until now": now[clip.content].split, "its copies": copies}
    if len(set(places.values())) == 1:
        return ""
    if now[clip.content].split is copies:
        del places["the clip until now"]
    return ", ".join(f"{what}: {split.value}" for what, split in places.items())

"""What must stay together when clips are divided."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

import pandas as pd

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.pipelines.collect.union_find import UnionFind

CREATOR: Final = "creator:"
CONTENT: Final = "content:"
CAPTION: Final = "caption:"


def unit_keys(clips: pd.DataFrame, duplicates: pd.DataFrame, common_caption: int) -> list[list[str]]:
    """Give what ties each clip to others: its content, creator, caption and duplicates.

    Args:
        clips: with `clip_id`, `creator`, `text`, `media_sha256` and `text_sha256`.
        duplicates: `clip_id` and `duplicate_group`.
        common_caption: how many clips have a caption that says nothing, which ties nothing.

    Returns:
        A clip's keys; the one of its own content stands first.
    """
    contents = clips["media_sha256"].where(clips["media_sha256"] != "", clips["text_sha256"])
    content_of = dict(zip(clips["clip_id"], contents, strict=True))
    group_of = dict(zip(duplicates["clip_id"], duplicates["duplicate_group"], strict=True))
    captions = [caption_key(text) for text in clips["text"]]
    uses = Counter(captions)
    keys = []
    for clip_id, creator, caption in zip(clips["clip_id"], clips["creator"], captions, strict=True):
        mine = [CONTENT + content_of[clip_id]]
        if creator:
            mine.append(CREATOR + creator)
        if caption and 1 < uses[caption] < common_caption:
            mine.append(caption)
        if clip_id in group_of:
            mine.append(CONTENT + content_of[group_of[clip_id]])
        keys.append(mine)
    return keys


def caption_key(text: str) -> str:
    """Give what captions that read the same share; "" for no caption."""
    folded = " ".join(text.casefold().split())
    return CAPTION + text_sha256(folded) if folded else ""


def unit_names(keys: Sequence[Sequence[str]]) -> list[str]:
    """Give each clip the name of its unit: clips that share a key, also through others, share it.

    The name is the first of the unit's creators, else of its contents, so it changes only when clips that connect two
    units arrive.

    >>> unit_names([["content:x", "creator:ann"], ["content:x", "creator:bob"], ["content:x"], ["content:y"]])
    ['creator:ann', 'creator:ann', 'creator:ann', 'content:y']
    """
    sets = UnionFind()
    for mine in keys:
        for key in mine[1:]:
            sets.join(mine[0], key)
    names: dict[Hashable, str] = {}
    for key in sorted({key for mine in keys for key in mine}, key=lambda key: (not key.startswith(CREATOR), key)):
        if not key.startswith(CAPTION):
            names.setdefault(sets.find(key), key)
    return [names[sets.find(mine[0])] for mine in keys]

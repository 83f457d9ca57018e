"""What ties clips to each other."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.splitting.union_find import UnionFind

CREATOR: Final = "creator:"
CONTENT: Final = "content:"
CAPTION: Final = "caption:"


@dataclass(frozen=True)
class Ties:
    """The keys that a clip may share with others; "" for none.

    Attributes:
        content: its media, else its text; where that says nothing, together with its creator.
        creator: its account.
        caption: what it says, if that ties.
        copies: content of the first clip of its duplicate group.
    """

    content: str
    creator: str = ""
    caption: str = ""
    copies: str = ""

    def __iter__(self) -> Iterator[str]:
        return filter(None, (self.content, self.creator, self.caption, self.copies))


def find_ties(clips: pd.DataFrame, duplicates: pd.DataFrame, common_caption: int) -> list[Ties]:
    """Give what ties each clip to others: its content, creator, caption and duplicates.

    Args:
        clips: with `clip_id`, `creator`, `text`, `media_sha256` and `text_sha256`.
        duplicates: `clip_id` and `duplicate_group`.
        common_caption: how many clips have a caption that says nothing, which ties nothing.
    """
    captions = clips["text"].map(caption_key)
    uses = Counter(captions)
    common = captions.map(uses) >= common_caption
    texts = clips["text_sha256"].where(
        ~common | (clips["creator"] == ""), clips["text_sha256"] + ":" + clips["creator"]
    )
    contents = clips["media_sha256"].where(clips["media_sha256"] != "", texts)
    content_of = {clip: CONTENT + content for clip, content in zip(clips["clip_id"], contents, strict=True)}
    group_of = dict(zip(duplicates["clip_id"], duplicates["duplicate_group"], strict=True))
    return [
        Ties(
            content=content_of[clip_id],
            creator=CREATOR + creator if creator else "",
            caption=caption if 1 < uses[caption] < common_caption else "",
            copies=content_of[group_of[clip_id]] if clip_id in group_of else "",
        )
        for clip_id, creator, caption in zip(clips["clip_id"], clips["creator"], captions, strict=True)
    ]


def sets_of_copies(ties: Iterable[Ties]) -> dict[str, str]:
    """Give each content the name of the contents that are copies of one another: the first of them.

    >>> sets_of_copies([Ties("content:b"), Ties("content:c", copies="content:b"), Ties("content:a")])
    {'content:a': 'content:a', 'content:b': 'content:b', 'content:c': 'content:b'}
    """
    sets: UnionFind[str] = UnionFind()
    contents = set()
    for clip in ties:
        sets.join(clip.content, clip.copies or clip.content)
        contents |= {clip.content, clip.copies or clip.content}
    names: dict[str, str] = {}
    return {content: names.setdefault(sets.find(content), content) for content in sorted(contents)}


def caption_key(text: str) -> str:
    """Give what captions that read the same share; "" for no caption."""
    folded = " ".join(text.casefold().split())
    return CAPTION + text_sha256(folded) if folded else ""

"""What clips share that keeps them in one split."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cu_pipeline.core.hashing import text_sha256

CREATOR: Final = "creator:"
CONTENT: Final = "content:"
CAPTION: Final = "caption:"


@dataclass(frozen=True)
class GroupKeys:
    """The keys that a clip may share with others; "" for none.

    Attributes:
        content: its media, else its text; where that says nothing, together with its creator.
        creator: its account.
        caption: what it says, if that says something.
        copies: content of the first clip of its duplicate group.
    """

    content: str
    creator: str = ""
    caption: str = ""
    copies: str = ""

    def __iter__(self) -> Iterator[str]:
        return filter(None, (self.content, self.creator, self.caption, self.copies))


def find_group_keys(clips: pd.DataFrame, duplicates: pd.DataFrame, common_caption: int) -> list[GroupKeys]:
    """Find what each clip may share with others: its content, creator, caption and duplicates.

    Args:
        clips: with `clip_id`, `creator`, `text`, `media_sha256` and `text_sha256`.
        duplicates: `clip_id` and `duplicate_group`.
        common_caption: how many clips have a caption that says nothing, which joins nothing.
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
        GroupKeys(
            content=content_of[clip_id],
            creator=CREATOR + creator if creator else "",
            caption=caption if 1 < uses[caption] < common_caption else "",
            copies=content_of[group_of[clip_id]] if clip_id in group_of else "",
        )
        for clip_id, creator, caption in zip(clips["clip_id"], clips["creator"], captions, strict=True)
    ]


def sets_of_copies(keys: Iterable[GroupKeys]) -> dict[str, str]:
    """Map each content to the name of the contents that are copies of one another: the first of them.

    >>> sets_of_copies([GroupKeys("content:b"), GroupKeys("content:c", copies="content:b"), GroupKeys("content:a")])
    {'content:a': 'content:a', 'content:b': 'content:b', 'content:c': 'content:b'}
    """
    from scipy.cluster.hierarchy import DisjointSet

    pairs = [(clip.content, clip.copies or clip.content) for clip in keys]
    sets = DisjointSet(content for pair in pairs for content in pair)
    for one, other in pairs:
        sets.merge(one, other)
    names: dict[str, str] = {}
    return {content: names.setdefault(sets[content], content) for content in sorted(sets)}


def caption_key(text: str) -> str:
    """Make what captions that read the same share; "" for no caption."""
    folded = " ".join(text.casefold().split())
    return CAPTION + text_sha256(folded) if folded else ""

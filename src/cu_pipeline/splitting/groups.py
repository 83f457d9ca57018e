"""What clips share, and which of them are therefore placed together."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import Split

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


class BoundedSets:
    """Sets that grow together while they stay small and in one split.

    Args:
        items: all that the sets are of.
        clips: of items; none where nothing is given.
        splits: of items that are placed; items of different splits never come into one set.
        limit: two sets that both have clips are not joined if they have more than this together.
    """

    def __init__(
        self, items: Iterable[str], clips: Mapping[str, int], splits: Mapping[str, Split], limit: float
    ) -> None:
        from scipy.cluster.hierarchy import DisjointSet

        self._sets = DisjointSet(items)
        self._clips = dict(clips)
        self._splits = dict(splits)
        self._limit = limit

    def find(self, item: str) -> str:
        """Name the set of an item by one of its items."""
        return str(self._sets[item])

    def join(self, one: str, other: str) -> None:
        """Make the sets of two items one, unless they would be too large or are in different splits.

        >>> sets = BoundedSets("abc", {"a": 2, "b": 1, "c": 1}, {}, limit=3)
        >>> sets.join("a", "b")
        >>> sets.join("b", "c")
        >>> sets.find("a") == sets.find("b"), sets.find("b") == sets.find("c")
        (True, False)
        """
        first, second = self.find(one), self.find(other)
        clips = [self._clips.get(root, 0) for root in (first, second)]
        splits = {self._splits[root] for root in (first, second) if root in self._splits}
        if first == second or len(splits) > 1 or (all(clips) and sum(clips) > self._limit):
            return
        self._sets.merge(first, second)
        joined = self.find(first)
        self._clips[joined] = sum(clips)
        for split in splits:
            self._splits[joined] = split


ALWAYS_SMALL: Final = 20
"""Clips that a group may have in any feed."""


@dataclass(frozen=True)
class Groups:
    """What is placed together.

    Attributes:
        names: the group of each clip: its creator's, else its content's.
        of: the group of each key.
        undivided: clips of a group's largest creator, or largest set of copies: the least that it can have.
    """

    names: list[str]
    of: dict[str, str]
    undivided: dict[str, int]


def size_limit(clips: int, share: float) -> float:
    """Count how many clips a share of a feed is, at least as many as are never too many.

    >>> size_limit(240, 0.02), size_limit(10_000, 0.02)
    (20, 200.0)
    """
    return max(ALWAYS_SMALL, share * clips)


def form_groups(
    keys: Sequence[GroupKeys], copies: Mapping[str, str], placed: Mapping[str, Split], limit: float
) -> Groups:
    """Put what shares clips into one group, as long as it stays within a limit and in one split.

    Without the limit units percolate: with more than half as many copies by other creators as creators, a giant group
    forms (Erdős & Rényi 1960). Creators and copies are joined first, those with most clips in common before others,
    then equal captions. The order depends on the keys alone, not on that of the clips.

    Args:
        keys: of each clip.
        copies: content -> its copies, as `sets_of_copies` names them.
        placed: creator, copies or caption -> its split, if it has one.
        limit: clips of a group; only a creator, or the copies of one clip, may have more.
    """
    homes = [clip.creator or copies[clip.content] for clip in keys]
    sizes = Counter(homes)
    items = {copies.get(key, key) for clip in keys for key in clip} | set(homes)
    sets = BoundedSets(items, sizes, placed, limit)
    shared = Counter((copies[clip.content], clip.creator) for clip in keys if clip.creator)
    for content, creator in sorted(shared, key=lambda pair: (-shared[pair], pair)):
        sets.join(content, creator)
    for caption, home in sorted({(clip.caption, home) for clip, home in zip(keys, homes, strict=True) if clip.caption}):
        sets.join(caption, home)
    set_of = {key: sets.find(copies.get(key, key)) for clip in keys for key in clip}
    name_of = _names(set_of)
    of = {key: name_of[root] for key, root in set_of.items() if root in name_of}
    undivided = dict.fromkeys(of.values(), 0)
    for key, n in (sizes | Counter(copies[clip.content] for clip in keys)).items():
        undivided[of[key]] = max(undivided[of[key]], n)
    return Groups([of[clip.creator or clip.content] for clip in keys], of, undivided)


def _names(set_of: Mapping[str, str]) -> dict[str, str]:
    """Name each set by the first of its creators, else of its contents; one of a caption alone has no name.

    So a name changes only when clips that connect two groups arrive.
    """
    names: dict[str, str] = {}
    for key in sorted(set_of, key=lambda key: (not key.startswith(CREATOR), key)):
        if not key.startswith(CAPTION):
            names.setdefault(set_of[key], key)
    return names

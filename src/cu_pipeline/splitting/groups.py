"""Which clips are placed together, since they share something."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.text_columns import Numbers
from cu_pipeline.splitting.keys import Keys


class BoundedSets:
    """Sets that grow together while they stay small and in one split.

    Args:
        clips: of each item; 0 where nothing is given.
        splits: of each item; -1 for one that is not placed. Items of different splits never come into one set.
        limit: two sets that both have clips are not joined if they have more than this together.
    """

    def __init__(self, clips: Iterable[int], splits: Iterable[int], limit: float) -> None:
        self._clips = list(clips)
        self._splits = list(splits)
        self._parents = list(range(len(self._clips)))
        self._limit = limit

    def find(self, item: int) -> int:
        """Name the set of an item by one of its items."""
        parents = self._parents
        while parents[item] != item:
            parents[item] = item = parents[parents[item]]
        return item

    def join(self, one: int, other: int) -> None:
        """Make the sets of two items one, unless they would be too large or are in different splits.

        >>> sets = BoundedSets([2, 1, 1], [-1, -1, -1], limit=3)
        >>> sets.join(0, 1)
        >>> sets.join(1, 2)
        >>> sets.find(0) == sets.find(1), sets.find(1) == sets.find(2)
        (True, False)
        """
        first, second = self.find(one), self.find(other)
        if first == second:
            return
        clips, splits = self._clips, self._splits
        if splits[first] != splits[second] and splits[first] >= 0 and splits[second] >= 0:
            return
        if clips[first] and clips[second] and clips[first] + clips[second] > self._limit:
            return
        self._parents[second] = first
        clips[first] += clips[second]
        splits[first] = max(splits[first], splits[second])


ALWAYS_SMALL: Final = 20
"""Clips that a group may have in any feed."""


@dataclass(frozen=True)
class Groups:
    """What is placed together. A group has the number of the key that names it.

    Attributes:
        of_clip: the group of each clip, shape (clips,): its creator's, else its content's.
        of_key: the group of each key, shape (keys,); -1 for a caption that ties no clips.
        undivided: clips of a group's largest creator, or largest set of copies: the least that it can have; shape
            (keys,), 0 where a key names no group.
    """

    of_clip: Numbers
    of_key: Numbers
    undivided: Numbers


def size_limit(clips: int, share: float) -> float:
    """Count how many clips a share of a feed is, at least as many as are never too many.

    >>> size_limit(240, 0.02), size_limit(10_000, 0.02)
    (20, 200.0)
    """
    return max(ALWAYS_SMALL, share * clips)


def form_groups(keys: Keys, placed: NDArray[np.int8], limit: float) -> Groups:
    """Put what shares clips into one group, as long as it stays within a limit and in one split.

    Without the limit groups percolate: with more than half as many copies by other creators as creators, a giant group
    forms (Erdős & Rényi 1960). Creators and copies are joined first, those with most clips in common before others,
    then equal captions. The order depends on the keys alone, not on that of the clips.

    Args:
        keys: of the clips.
        placed: the split that each key has, shape (keys,), -1 for none; of contents only at what stands for them.
        limit: clips of a group; only a creator, or the copies of one clip, may have more.
    """
    size = len(keys.names)
    copies = keys.copies[keys.content]
    homes = np.where(keys.creator >= 0, keys.creator, copies)
    clips = np.bincount(homes, minlength=size)
    sets = _join(np.concatenate([_creator_ties(keys, copies), _caption_ties(keys, homes)]), clips, placed, limit)
    of_key = _names(sets[keys.copies], keys)
    most = np.maximum(clips, np.bincount(copies, minlength=size))
    undivided, used = np.zeros(size, dtype=np.int64), np.flatnonzero(most)
    np.maximum.at(undivided, of_key[used], most[used])
    return Groups(of_key[homes], of_key, undivided)


def _creator_ties(keys: Keys, copies: Numbers) -> Numbers:
    """Pair copies and their creators, shape (pairs, 2): those with most clips in common first, then in order."""
    owned = keys.creator >= 0
    size = len(keys.names)
    pairs, clips = np.unique(copies[owned] * size + keys.creator[owned], return_counts=True)
    return _divided(pairs[np.argsort(-clips, kind="stable")], size)


def _caption_ties(keys: Keys, homes: Numbers) -> Numbers:
    """Pair captions and the creators, else copies, that have them, shape (pairs, 2), in order."""
    said, size = keys.caption >= 0, len(keys.names)
    return _divided(np.unique(keys.caption[said] * size + homes[said]), size)


def _divided(pairs: Numbers, size: int) -> Numbers:
    return np.stack(np.divmod(pairs, max(size, 1)), axis=1)


def _join(ties: Numbers, clips: Numbers, placed: NDArray[np.int8], limit: float) -> Numbers:
    """Join what is tied, one tie after the other, and give the set of each key, shape (keys,).

    The order matters only where sets meet. What has no clips of its own and one tie is a leaf: unless it brings a split
    to something that has none, it goes with what it is tied to, whatever comes before or after. Most ties are such.

    Args:
        ties: pairs of keys in order, shape (ties, 2); on the left those that may have no clips of their own.
        clips: of keys.
        placed: splits of keys, -1 for none.
        limit: clips of a set.
    """
    left, right = ties.T
    single = (np.bincount(left, minlength=len(clips)) == 1)[left] & (clips[left] == 0)
    brings = (placed[left] >= 0) & (placed[right] < 0)
    leaf = single & ~brings
    sets = _join_in_order(ties[~leaf], clips, placed, limit)
    fits = leaf & ((placed[left] < 0) | (placed[left] == placed[right]))
    sets[left[fits]] = sets[right[fits]]
    return sets


def _join_in_order(ties: Numbers, clips: Numbers, placed: NDArray[np.int8], limit: float) -> Numbers:
    used, ends = np.unique(ties, return_inverse=True)
    sets = BoundedSets(clips[used].tolist(), placed[used].tolist(), limit)
    for one, other in zip(*ends.reshape(-1, 2).T.tolist(), strict=True):
        sets.join(one, other)
    found = np.arange(len(clips))
    found[used] = used[np.fromiter(map(sets.find, range(len(used))), dtype=np.int64, count=len(used))]
    return found


def _names(set_of: Numbers, keys: Keys) -> Numbers:
    """Name each key's set by the first of its creators, else of its contents; -1 where it has but captions.

    So a name changes only when clips that connect two groups arrive.
    """
    size = len(set_of)
    named = np.arange(keys.first_content, size)
    first = np.full(size, size, dtype=np.int64)
    # counted from the first creator on, round the end, creators come before contents
    np.minimum.at(first, set_of[named], (named - keys.first_creator) % max(size, 1))
    names = np.where(first < size, (first + keys.first_creator) % max(size, 1), -1)
    return names[set_of]

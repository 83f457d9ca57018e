from collections.abc import Mapping

from cu_pipeline.core.records import Split
from cu_pipeline.splitting.union_find import UnionFind


class BoundedSets(UnionFind[str]):
    """Sets that grow together while they stay small and in one split.

    Args:
        clips: of items; none where nothing is given.
        splits: of items that are placed; items of different splits never come into one set.
        limit: two sets that both have clips are not joined if they have more than this together.
    """

    def __init__(self, clips: Mapping[str, int], splits: Mapping[str, Split], limit: float) -> None:
        super().__init__()
        self._clips = dict(clips)
        self._splits = dict(splits)
        self._limit = limit

    def join(self, one: str, other: str) -> None:
        """Make the sets of two items one, unless they would be too large or are in different splits.

        >>> sets = BoundedSets({"a": 2, "b": 1, "c": 1}, {}, limit=3)
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
        super().join(first, second)
        self._clips[second] = sum(clips)
        for split in splits:
            self._splits[second] = split

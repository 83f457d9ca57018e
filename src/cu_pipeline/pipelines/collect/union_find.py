from collections.abc import Hashable


class UnionFind:
    """Sets that grow together (Tarjan 1975, with path halving)."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}

    def find(self, item: Hashable) -> Hashable:
        """Give the representative of an item's set."""
        parents = self._parents
        parents.setdefault(item, item)
        while parents[item] != item:
            parents[item] = parents[parents[item]]
            item = parents[item]
        return item

    def join(self, one: Hashable, other: Hashable) -> None:
        """Make the sets of two items one."""
        self._parents[self.find(one)] = self.find(other)

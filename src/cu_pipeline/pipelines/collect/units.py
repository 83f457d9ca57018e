from collections.abc import Hashable, Iterable, Sequence

CREATOR = "creator:"
CONTENT = "content:"


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


def unit_names(creators: Sequence[str], contents: Sequence[str]) -> list[str]:
    """Give each clip the name of its unit: clips of one creator or of the same content share it.

    The name is the first of the unit's creators, else its content, so it changes only when clips that connect two
    units arrive.

    Args:
        creators: one a clip; "" when unknown.
        contents: a hash of each clip's media, or of its text if it has none.

    >>> unit_names(["ann", "bob", "", ""], ["x", "x", "x", "y"])
    ['creator:ann', 'creator:ann', 'creator:ann', 'content:y']
    """
    sets = UnionFind()
    keys = [CONTENT + content for content in contents]
    for creator, key in zip(creators, keys, strict=True):
        if creator:
            sets.join(key, CREATOR + creator)
    names: dict[Hashable, str] = {}
    for name in _ranked(creators, keys):
        names.setdefault(sets.find(name), name)
    return [names[sets.find(key)] for key in keys]


def _ranked(creators: Iterable[str], keys: Iterable[str]) -> list[str]:
    return [*sorted({CREATOR + creator for creator in creators if creator}), *sorted(set(keys))]

"""Which clips are placed together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cu_pipeline.core.records import Split
from cu_pipeline.splitting.bounded_sets import BoundedSets
from cu_pipeline.splitting.group_keys import CAPTION, CREATOR, Ties

ALWAYS_SMALL: Final = 20
"""Clips that a unit may have in any feed."""


@dataclass(frozen=True)
class Units:
    """What is placed together.

    Attributes:
        names: the unit of each clip: its creator's, else its content's.
        of: the unit of each key.
        undivided: clips of a unit's largest creator, or largest set of copies: the least that it can have.
    """

    names: list[str]
    of: dict[str, str]
    undivided: dict[str, int]


def size_limit(clips: int, share: float) -> float:
    """Give how many clips a share of a feed is, at least as many as are never too many.

    >>> size_limit(240, 0.02), size_limit(10_000, 0.02)
    (20, 200.0)
    """
    return max(ALWAYS_SMALL, share * clips)


def form_units(ties: Sequence[Ties], copies: Mapping[str, str], placed: Mapping[str, Split], limit: float) -> Units:
    """Put what shares clips into one unit, as long as it stays within a limit and in one split.

    Without the limit units percolate: with more than half as many copies by other creators as creators, a giant unit
    forms (Erdős & Rényi 1960). Creators and copies are joined first, those with most clips in common before others,
    then equal captions. The order depends on the keys alone, not on that of the clips.

    Args:
        ties: of each clip.
        copies: content -> its copies, as `sets_of_copies` names them.
        placed: creator, copies or caption -> its split, if it has one.
        limit: clips of a unit; only a creator, or the copies of one clip, may have more.
    """
    homes = [clip.creator or copies[clip.content] for clip in ties]
    sizes = Counter(homes)
    sets = BoundedSets(sizes, placed, limit)
    shared = Counter((copies[clip.content], clip.creator) for clip in ties if clip.creator)
    for content, creator in sorted(shared, key=lambda pair: (-shared[pair], pair)):
        sets.join(content, creator)
    for caption, home in sorted({(clip.caption, home) for clip, home in zip(ties, homes, strict=True) if clip.caption}):
        sets.join(caption, home)
    set_of = {key: sets.find(copies.get(key, key)) for clip in ties for key in clip}
    name_of = _names(set_of)
    of = {key: name_of[root] for key, root in set_of.items() if root in name_of}
    undivided = dict.fromkeys(of.values(), 0)
    for key, n in (sizes | Counter(copies[clip.content] for clip in ties)).items():
        undivided[of[key]] = max(undivided[of[key]], n)
    return Units([of[clip.creator or clip.content] for clip in ties], of, undivided)


def _names(set_of: Mapping[str, str]) -> dict[str, str]:
    """Name each set by the first of its creators, else of its contents; one of a caption alone has no name.

    So a name changes only when clips that connect two units arrive.
    """
    names: dict[str, str] = {}
    for key in sorted(set_of, key=lambda key: (not key.startswith(CREATOR), key)):
        if not key.startswith(CAPTION):
            names.setdefault(set_of[key], key)
    return names

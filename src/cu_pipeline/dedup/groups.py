from collections.abc import Mapping

import numpy as np
import pandas as pd

from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.dedup.hashing import hash_key
from cu_pipeline.dedup.matching import match
from cu_pipeline.media.hash_log import Hashed
from cu_pipeline.splitting.options import DuplicateOptions
from cu_pipeline.splitting.union_find import UnionFind


def duplicate_groups(clips: pd.DataFrame, hashes: Mapping[str, Hashed], options: DuplicateOptions) -> pd.DataFrame:
    """Find the groups of clips that show the same.

    Args:
        clips: `clip_id`, `media_sha256` and `text`.
        hashes: perceptual hashes by key.
        options: how near is near.

    Returns:
        `clip_id`, `duplicate_group` (its first clip's name) and `bits` (distance from the nearest other clip of the
        group, 0 for the same bytes), of the clips that have a duplicate, sorted by group.
    """
    media = clips[clips["media_sha256"] != ""].sort_values("clip_id")
    firsts = media.drop_duplicates("media_sha256")
    keyed = [hashes.get(hash_key(sha)) for sha in firsts["media_sha256"]]
    shown = [place for place, found in enumerate(keyed) if found is not None and found.hashes is not None]
    files = firsts.iloc[shown]
    sets: UnionFind[str] = UnionFind()
    bits = dict.fromkeys(media.loc[media.duplicated("media_sha256"), "media_sha256"], 0.0)
    if len(shown) > 1:
        stacked = np.stack([found.hashes for place in shown if (found := keyed[place]) and found.hashes is not None])
        names = files["media_sha256"].tolist()
        pairs, distances = match(stacked, files["text"].tolist(), options)
        for (one, other), distance in zip(pairs.tolist(), distances.tolist(), strict=True):
            sets.join(names[one], names[other])
            for sha in (names[one], names[other]):
                bits[sha] = min(bits.get(sha, distance), distance)
    repeated = media[media["media_sha256"].isin(bits)]
    roots = [sets.find(sha) for sha in repeated["media_sha256"]]
    rows = repeated[["clip_id"]].assign(
        duplicate_group=repeated.groupby(np.array(roots, dtype=object))["clip_id"].transform("min"),
        bits=[round(bits[sha], 3) for sha in repeated["media_sha256"]],
    )
    return table(rows, DUPLICATES).sort_values(["duplicate_group", "clip_id"]).reset_index(drop=True)

"""How clips are divided, said with dictionaries and loops, to compare with; and small feeds as arrays."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.records import Split
from cu_pipeline.core.text_columns import stand_for
from cu_pipeline.splitting import groups as bounds
from cu_pipeline.splitting.assignment import assign, split_of
from cu_pipeline.splitting.groups import Groups
from cu_pipeline.splitting.keys import Keys
from cu_pipeline.splitting.options import in_utc
from cu_pipeline.splitting.placements import Placements, division

STRICTNESS = [Split.TRAIN, Split.VALIDATION, Split.TEST]


class Shared(NamedTuple):
    """What a clip may share with others; "" for nothing."""

    content: str
    creator: str = ""
    caption: str = ""
    copies: str = ""


class Given(NamedTuple):
    """What a key or a group was given."""

    split: Split
    since: int
    tested: bool


def keys_of(feed):
    """Number what the clips of a feed share."""
    names = sorted({key for clip in feed for key in clip if key})
    number = {name: place for place, name in enumerate(names)} | {"": -1}
    content, creator, caption, copies = (
        (np.array([number[one] for one in column], dtype=np.int64) for column in zip(*feed, strict=True))
        if feed
        else [np.zeros(0, dtype=np.int64)] * 4
    )
    starts = [sum(name < kind for name in names) for kind in ("content:", "creator:")]
    pairs = np.stack([content, copies], axis=1)[copies >= 0]
    return Keys(pa.array(names, pa.large_string()), *starts, content, creator, caption, stand_for(pairs, len(names)))


def placements(parts):
    """Write placements as arrays."""
    split, since, tested = zip(*parts, strict=True) if parts else ((), (), ())
    places = [STRICTNESS.index(one) for one in split]
    return Placements(np.array(places, np.int8), np.array(since, np.int64), np.array(tested, bool))


def placed_by_name(keys, splits):
    """Write the splits of keys as an array: of contents, those that stand for copies."""
    mine = [STRICTNESS.index(splits[name]) if name in splits else -1 for name in keys.names.to_pylist()]
    return np.where(keys.copies == np.arange(len(mine)), np.array(mine, np.int8), np.int8(-1))


def names_of(groups, keys):
    """Name the group of each clip, and of each key that has one."""
    names = keys.names.to_pylist()
    of = {name: names[group] for name, group in zip(names, groups.of_key, strict=True) if group >= 0}
    return [names[group] for group in groups.of_clip], of


def caption_key(text):
    folded = " ".join(text.casefold().split())
    return f"caption:{text_sha256(folded)}" if folded else ""


def shared_by(clips, duplicates, common_caption):
    said = [caption_key(text) for text in clips["text"]]
    uses = Counter(said)
    found = {}
    for row, caption in zip(clips.to_dict("records"), said, strict=True):
        own = f":{row['creator']}" if uses[caption] >= common_caption and row["creator"] else ""
        content = "content:" + (row["media_sha256"] or row["text_sha256"] + own)
        ties = caption if caption and 1 < uses[caption] < common_caption else ""
        found[row["clip_id"]] = Shared(content, row["creator"] and f"creator:{row['creator']}", ties)
    for clip, first in duplicates[["clip_id", "duplicate_group"]].to_numpy().tolist():
        found[clip] = found[clip]._replace(copies=found[first].content)
    return list(found.values())


def first_of_copies(feed):
    members = {clip.content: {clip.content} for clip in feed}
    for clip in feed:
        if clip.copies:
            both = members[clip.content] | members[clip.copies]
            members |= dict.fromkeys(both, both)
    return {content: min(together) for content, together in members.items()}


def reconciled(parts):
    since = min(part.since for part in parts)
    split = max((part.split for part in parts if part.since == since), key=STRICTNESS.index)
    tested = any(part.tested for part in parts)
    split = Split.TEST if tested and split is Split.TRAIN else split
    return Given(split, since, tested or split is Split.TEST)


def group_names(feed, copies, placed, limit):
    """Join one tie after the other; name each key's group."""
    homes = [clip.creator or copies[clip.content] for clip in feed]
    clips = Counter(homes)
    items = {copies.get(key, key) for clip in feed for key in clip[:3] if key} | set(homes)
    set_of = {item: frozenset([item]) for item in items}
    common = Counter((copies[clip.content], clip.creator) for clip in feed if clip.creator)
    ties = sorted(common, key=lambda pair: (-common[pair], pair))
    ties += sorted({(clip.caption, home) for clip, home in zip(feed, homes, strict=True) if clip.caption})
    for ends in ties:
        sides = {set_of[end] for end in ends}
        sizes = [sum(clips[item] for item in side) for side in sides]
        splits = {placed[item] for side in sides for item in side if item in placed}
        if len(splits) < 2 and (not all(sizes) or sum(sizes) <= limit):
            set_of |= dict.fromkeys(frozenset.union(*sides), frozenset.union(*sides))
    name = {}
    for key in sorted({key for clip in feed for key in clip[:2] if key}, key=lambda key: (key[:2] != "cr", key)):
        name.setdefault(set_of[copies.get(key, key)], key)
    of = {key: name.get(set_of[copies.get(key, key)]) for clip in feed for key in clip[:3] if key}
    return {key: group for key, group in of.items() if group}, clips


def plainly_divided(clips, duplicates, ledger, options):
    """Give rows of group, split and reason, and the ledger: (key, division) -> what was given."""
    spelt = {}
    for (key, made), entry in ledger.items():
        kind, name = key.split(":", 1)
        spelt.setdefault((f"creator:{clean_name(name)}" if kind == "creator" else key, made), []).append(entry)
    ledger = {place: reconciled(parts) for place, parts in spelt.items()}
    given = {key: entry for (key, made), entry in ledger.items() if made == division(options)}
    feed = shared_by(clips, duplicates, options.common_caption)
    copies = first_of_copies(feed)
    parts = {}
    for key, entry in given.items():
        parts.setdefault(copies.get(key, key), []).append(entry)
    placed = {key: reconciled(found).split for key, found in parts.items()}
    of, sizes = group_names(feed, copies, placed, bounds.size_limit(len(feed), options.largest_unit))
    names = [of[clip.creator or clip.content] for clip in feed]
    sizes |= Counter(copies[clip.content] for clip in feed)
    late = {
        group
        for group, moment in zip(names, clips["posted_at"], strict=True)
        if options.test_from and moment and in_utc(moment) >= options.test_from
    }
    giant = {of[key] for key, n in sizes.items() if n > bounds.size_limit(len(feed), options.least_share)}
    testable = options.train > 0 and (len(set(of.values())) - len(giant)) * options.least_share >= 1
    generation = max((entry.since for entry in given.values()), default=0) + 1
    assigned = {}
    for group in set(of.values()):
        split = Split.TRAIN if group in giant and testable else split_of(group, options)
        known = [given[key] for key in of if of[key] == group and key in given]
        assigned[group] = reconciled(known) if known else Given(split, generation, split is Split.TEST)
        if group in late:
            assigned[group] = Given(Split.TEST, assigned[group].since, True)
    now = {key: given[key] if key in given and of[key] not in late else assigned[of[key]] for key in of}
    rows = []
    for clip, group in zip(feed, names, strict=True):
        mine, others = now[clip.content].split, assigned[of[clip.content]].split
        told = {f"creator {clip.creator[8:]!r}": now[clip.creator].split} if clip.creator else {}
        told |= ({"the clip until now": mine} if mine is not others else {}) | {"its copies": others}
        why = ", ".join(f"{what}: {split}" for what, split in told.items()) if len({mine, *told.values()}) > 1 else ""
        rows.append((group, "left_out" if why else assigned[group].split.value, why))
    return rows, ledger | {(key, division(options)): entry for key, entry in now.items()}


def plain_leakage(clips, duplicates, common_caption):
    """Count what stands in more than one split, key by key."""
    clips = clips[clips["split"] != "left_out"]
    splits, texts = clips["split"].tolist(), clips["text"].tolist()
    said = [caption_key(text) for text in texts]
    uses = Counter(said)
    group_of = dict(duplicates[["clip_id", "duplicate_group"]].to_numpy().tolist())
    groups = [group_of.get(clip, "") for clip in clips["clip_id"]]
    rare = [key if uses[key] < common_caption else "" for key in said]
    common = [key if uses[key] >= common_caption else "" for key in said]

    def shared(keys, shown):
        places, names = {}, {}
        for key, name, split in zip(keys, shown, splits, strict=True):
            if key:
                places.setdefault(key, []).append(split)
                names.setdefault(key, name)
        several = sorted(names[key] for key, found in places.items() if len(set(found)) > 1)
        held_out = sum(len(found) - found.count("train") for found in places.values() if "train" in found)
        return {"shared": len(several), "clips": held_out, "examples": several[:20]}

    return {
        "clips": dict(sorted(Counter(splits).items())),
        "creators": shared(clips["creator"].tolist(), clips["creator"].tolist()),
        "duplicate_groups": shared(groups, groups),
        "captions": shared(rare, texts),
        "common_captions": shared(common, texts),
    }


def assigned_to(undivided, placed, options):
    """Assign groups of so many clips, of which some have a split; give what each has."""
    names, sizes = list(undivided), np.array(list(undivided.values()))
    places = np.arange(len(names))
    given = Placements.none(len(names))
    given[[names.index(name) for name in placed]] = placements(list(placed.values()))
    groups = Groups(np.repeat(places, sizes), places, sizes)
    found = assign(groups, given, pa.array(names, pa.large_string()), options, generation=1)
    return {name: given_of(found, place) for place, name in enumerate(names)}


def given_of(found, place):
    return Given(STRICTNESS[found.split[place]], int(found.since[place]), bool(found.tested[place]))

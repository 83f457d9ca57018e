"""Which split each group of clips is in."""

import logging
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

from cu_pipeline.core.hashing import unit_interval
from cu_pipeline.core.records import LEFT_OUT, Split
from cu_pipeline.core.text_columns import Mask, Numbers, as_arrow, as_mask, chosen, mapped, places_among
from cu_pipeline.splitting.groups import Groups, form_groups, size_limit
from cu_pipeline.splitting.keys import CREATOR, Keys, find_keys
from cu_pipeline.splitting.options import SplitOptions, in_utc
from cu_pipeline.splitting.placements import (
    SPLIT_NAMES,
    TEST,
    TRAIN,
    Ledger,
    Placements,
    division,
    reconcile,
    respelt,
    with_new,
)

_log = logging.getLogger(__name__)


def divide(
    clips: pd.DataFrame, duplicates: pd.DataFrame, ledger: pd.DataFrame, options: SplitOptions
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Divide clips so that neither a creator nor a duplicate is in two splits, and no clip moves.

    Args:
        clips: with `clip_id`, `creator`, `text`, `posted_at`, `media_sha256` and `text_sha256`.
        duplicates: `clip_id` and `duplicate_group`.
        ledger: the splits that were given before; may be empty.
        options: how clips are divided.

    Returns:
        The clips with `group`, `split`, and why a clip is `left_out` in `apart`; and the splits given so far. Texts are
        of the type of the clips' names: objects, or Arrow's.
    """
    keys = find_keys(clips, duplicates, options.common_caption)
    before = respelt(Ledger.read(ledger))
    mine = before.of(options)
    key_of_row = np.full(len(mine), -1, dtype=np.int64)
    key_of_row[mine] = places_among(before.keys.filter(pa.array(mine)), keys.names)
    given = given_to(key_of_row, before.placements, len(keys.names))
    groups = form_groups(keys, placed_splits(given, keys.copies), size_limit(len(clips), options.largest_unit))
    holdout = temporal_holdout(groups.of_clip, as_arrow(clips["posted_at"]), options.test_from, len(keys.names))
    generation = int(before.placements.since[mine].max(initial=0)) + 1
    assigned = assign(groups, given, keys.names, options, generation)
    assigned[holdout] = held_out(assigned[holdout])
    now = entries(groups, given, assigned, holdout)
    dtype = clips["clip_id"].dtype
    # not `assign`, which copies all other columns
    divided = clips.copy(deep=False)
    divided["group"] = chosen(keys.names, groups.of_clip, dtype).array
    divided["split"], divided["apart"] = _placed_columns(keys, groups, assigned, now, dtype)
    return divided, _remember(before, key_of_row, now, keys.names, options).table(dtype)


def split_of(group: str, options: SplitOptions) -> Split:
    """Choose a group's split, from a hash of its name alone, so that it stays when other groups come or go.

    Where test clips are told by their date, this divides the others.

    >>> split_of("creator:ann", SplitOptions(train=1, validation=0, test=0))
    <Split.TRAIN: 'train'>
    """
    place = unit_interval(f"{options.salt}:{group}")
    if options.test_from is not None:
        return Split.TRAIN if place * (options.train + options.validation) < options.train else Split.VALIDATION
    if place < options.train:
        return Split.TRAIN
    return Split.VALIDATION if place < options.train + options.validation else Split.TEST


def given_to(key_of_row: Numbers, placements: Placements, size: int) -> Placements:
    """Find what each key was given before.

    Args:
        key_of_row: of the ledger, -1 for a key that is gone or was given under other options.
        placements: of the ledger's rows.
        size: how many keys there are.
    """
    given = Placements.none(size)
    here = key_of_row >= 0
    given[key_of_row[here]] = placements[here]
    return given


def placed_splits(given: Placements, copies: Numbers) -> NDArray[np.int8]:
    """Find the splits that creators, captions and copies have; copies that were placed apart before are reconciled."""
    known = given.split >= 0
    return reconcile(given[known], copies[known], len(copies)).split


def assign(groups: Groups, given: Placements, names: pa.Array, options: SplitOptions, generation: int) -> Placements:
    """Assign each group a split: the one that a part of it has, else one from a hash of the group's name.

    A new group with a creator, or copies of one clip, that make up more of the feed than validation or test shall be is
    for training, unless there are so few others that a test could be empty.

    Args:
        groups: what is placed together.
        given: what keys were given before.
        names: of the keys.
        options: how clips are divided.
        generation: of what is new.

    Returns:
        What is given now, by group, shape (keys,).
    """
    known = (given.split >= 0) & (groups.of_key >= 0)
    assigned = reconcile(given[known], groups.of_key[known], len(names))
    all_groups = np.flatnonzero(groups.undivided)
    giant = groups.undivided > size_limit(len(groups.of_clip), options.least_share)
    testable = options.train > 0 and (len(all_groups) - np.count_nonzero(giant)) * options.least_share >= 1
    new = all_groups[assigned.split[all_groups] < 0]
    hashed = new[~giant[new]] if testable else new
    split = np.full(len(names), TRAIN, dtype=np.int8)
    split[hashed] = _hashed_splits(names.take(pa.array(hashed)), options)
    assigned[new] = Placements(split[new], np.full(len(new), generation), split[new] == TEST)
    return assigned


def _hashed_splits(names: pa.Array, options: SplitOptions) -> NDArray[np.int8]:
    order = list(Split)
    return mapped(names, lambda name: order.index(split_of(name, options)), pa.int8()).to_numpy()


def held_out(groups: Placements) -> Placements:
    """Place groups that are for testing by their date, whatever they were before."""
    size = len(groups.split)
    return Placements(np.full(size, TEST, np.int8), groups.since, np.ones(size, bool))


def entries(groups: Groups, given: Placements, assigned: Placements, holdout: Mask) -> Placements:
    """List what each key has now: what it had, unless its group is for testing by its date; else what its group has.

    Args:
        groups: what is placed together.
        given: what keys were given before.
        assigned: what groups have.
        holdout: groups that are for testing by their date, shape (keys,).
    """
    tied = np.flatnonzero(groups.of_key >= 0)
    group = groups.of_key[tied]
    keeps = (given.split[tied] >= 0) & ~holdout[group]
    now = Placements.none(len(groups.of_key))
    now[tied[keeps]] = given[tied[keeps]]
    now[tied[~keeps]] = assigned[group[~keeps]]
    return now


def temporal_holdout(groups: Numbers, posted_at: pa.Array, test_from: datetime | None, size: int) -> Mask:
    """Find the groups with a clip posted at or after a moment, which are for testing.

    A group goes as a whole, with its clips from before: else a creator, or a copy, would be in two splits. A clip
    without a date counts as posted before.

    Args:
        groups: of each clip.
        posted_at: of each clip, ISO 8601; UTC if it has no zone; "" when unknown.
        test_from: the moment, with a zone; None gives no groups.
        size: groups have numbers below it.

    Returns:
        Whether each number is such a group, shape (size,).
    """
    holdout = np.zeros(size, dtype=bool)
    if test_from is None:
        return holdout
    after = as_mask(mapped(posted_at, lambda moment: bool(moment) and in_utc(moment) >= test_from, pa.bool_()))
    holdout[groups[after]] = True
    drawn = np.count_nonzero(holdout[groups]) - np.count_nonzero(after)
    undated = len(posted_at) - np.count_nonzero(as_mask(pc.not_equal(posted_at, "")))
    _log.info(
        "test from %s: %d clips posted since, and %d earlier ones of the same groups; %d clips without a date count as "
        "earlier",
        *(test_from.isoformat(), np.count_nonzero(after), drawn, undated),
    )
    return holdout


def conflicts(keys: Keys, groups: Groups, assigned: Placements, now: Placements) -> dict[int, str]:
    """Say of clips why no split can take them: their creator, their copies and they themselves are placed apart.

    Returns:
        Place of a clip -> what is where.
    """
    content, copies = now.split[keys.content], assigned.split[groups.of_key[keys.content]]
    creator = np.where(keys.creator >= 0, now.split[keys.creator], content)
    apart = np.flatnonzero((content != copies) | (creator != content))
    splits = SPLIT_NAMES.to_pylist()
    found = {}
    for clip in apart.tolist():
        places = {}
        if keys.creator[clip] >= 0:
            name = keys.names[int(keys.creator[clip])].as_py().removeprefix(CREATOR)
            places[f"creator {name!r}"] = creator[clip]
        if content[clip] != copies[clip]:
            places["the clip until now"] = content[clip]
        places["its copies"] = copies[clip]
        found[clip] = ", ".join(f"{what}: {splits[split]}" for what, split in places.items())
    return found


def _placed_columns(
    keys: Keys, groups: Groups, assigned: Placements, now: Placements, dtype: Any
) -> tuple[ExtensionArray, ExtensionArray]:
    """Give `split` and `apart` of the clips."""
    found = conflicts(keys, groups, assigned, now)
    split = assigned.split[groups.of_clip].astype(np.int64)
    split[list(found)] = len(SPLIT_NAMES)
    reason = np.zeros(len(split), dtype=np.int64)
    reason[list(found)] = np.arange(1, len(found) + 1)
    names = pa.concat_arrays([SPLIT_NAMES, pa.array([LEFT_OUT], pa.large_string())])
    reasons = pa.array(["", *found.values()], pa.large_string())
    return chosen(names, split, dtype).array, chosen(reasons, reason, dtype).array


def _remember(before: Ledger, key_of_row: Numbers, now: Placements, names: pa.Array, options: SplitOptions) -> Ledger:
    """Bring the ledger to what keys have now; entries of clips that are gone, and of other options, stay."""
    placed = now.split >= 0
    stays = (key_of_row < 0) | ~np.append(placed, False)[key_of_row]
    keys = names.filter(pa.array(placed))
    divisions = pa.repeat(pa.scalar(division(options), pa.large_string()), len(keys))
    return with_new(before.rows(stays), Ledger(keys, divisions, now[placed]))

"""Which split each group of clips is in."""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.hashing import json_sha256, unit_interval
from cu_pipeline.core.records import LEFT_OUT, SPLITS, Split, table
from cu_pipeline.splitting.groups import (
    CONTENT,
    CREATOR,
    GroupKeys,
    Groups,
    find_group_keys,
    form_groups,
    sets_of_copies,
    size_limit,
)
from cu_pipeline.splitting.options import SplitOptions, in_utc


@dataclass(frozen=True)
class Given:
    """The split that a key has.

    Attributes:
        split: of its group.
        since: in which generation the group's oldest key was added.
        tested: whether the group holds clips that once were for testing.
    """

    split: Split
    since: int
    tested: bool


def division(options: SplitOptions) -> str:
    """Name a way to divide; another way starts afresh."""
    parts = [options.train, options.validation, options.test, options.salt]
    if options.test_from is not None:
        parts = [options.train, options.validation, options.salt, options.test_from.astimezone(UTC).isoformat()]
    return json_sha256(parts)[:12]


def read_ledger(ledger: pd.DataFrame, options: SplitOptions) -> dict[str, Given]:
    """Read what was given under these options, by key."""
    mine = ledger[ledger["division"] == division(options)]
    rows = zip(mine["key"], mine["split"], mine["since"], mine["tested"], strict=True)
    return {key: Given(Split(split), int(since), bool(tested)) for key, split, since, tested in rows}


def respelt(ledger: pd.DataFrame) -> pd.DataFrame:
    """Spell creators as they are spelt now; those whose spellings had splits of their own have one then."""
    keys = [
        CREATOR + clean_name(key.removeprefix(CREATOR)) if key.startswith(CREATOR) else key for key in ledger["key"]
    ]
    if keys == ledger["key"].tolist():
        return ledger
    parts: dict[tuple[str, str], list[Given]] = {}
    for key, made, split, since, tested in zip(keys, *(ledger[name] for name in list(SPLITS)[1:]), strict=True):
        parts.setdefault((key, made), []).append(Given(Split(split), int(since), bool(tested)))
    entries = {place: reconcile(same) for place, same in sorted(parts.items())}
    rows = [(*place, entry.split.value, entry.since, entry.tested) for place, entry in entries.items()]
    return table([dict(zip(SPLITS, row, strict=True)) for row in rows], SPLITS)


def write_ledger(ledger: pd.DataFrame, now: Mapping[str, Given], options: SplitOptions) -> pd.DataFrame:
    """Bring the ledger to what keys have now; entries of clips that are gone, and of other options, stay."""
    mine = division(options)
    before = zip(*(ledger[name] for name in SPLITS), strict=True)
    rows = {(key, made): (split, since, tested) for key, made, split, since, tested in before}
    rows |= {(key, mine): (entry.split.value, entry.since, entry.tested) for key, entry in now.items()}
    return table([dict(zip(SPLITS, (*place, *rows[place]), strict=True)) for place in sorted(rows)], SPLITS)


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
        The clips with `group`, `split`, and why a clip is `left_out` in `apart`; and the splits given so far.
    """
    ledger = respelt(table(ledger, SPLITS))
    given = read_ledger(ledger, options)
    keys = find_group_keys(clips, duplicates, options.common_caption)
    copies = sets_of_copies(keys)
    limit = size_limit(len(clips), options.largest_unit)
    groups = form_groups(keys, copies, placed_splits(copies, given), limit)
    holdout = temporal_holdout(groups.names, clips["posted_at"], options.test_from)
    assigned = assign(groups, given, options, holdout)
    now = entries(groups, assigned, given, holdout)
    apart = conflicts(keys, groups, assigned, now)
    splits = leave_out([assigned[group].split.value for group in groups.names], apart)
    return clips.assign(group=groups.names, split=splits, apart=apart), write_ledger(ledger, now, options)


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


def placed_splits(copies: Mapping[str, str], given: Mapping[str, Given]) -> dict[str, Split]:
    """Find the splits that creators, captions and copies have; copies that were placed apart before are reconciled."""
    parts: dict[str, list[Given]] = {}
    for key, entry in given.items():
        if key in copies or not key.startswith(CONTENT):
            parts.setdefault(copies.get(key, key), []).append(entry)
    return {key: reconcile(entries).split for key, entries in parts.items()}


def reconcile(parts: Collection[Given]) -> Given:
    """Decide what holds for things that were placed apart: the split of the oldest.

    Where a part was for testing, they are never for training: they are for testing if the oldest was for training.
    """
    since = min(entry.since for entry in parts)
    # parts of one age were given their splits at once: the strictest holds, whatever their order
    same_age = {entry.split for entry in parts if entry.since == since}
    split = next(one for one in (Split.TEST, Split.VALIDATION, Split.TRAIN) if one in same_age)
    tested = any(entry.tested for entry in parts)
    if tested and split is Split.TRAIN:
        split = Split.TEST
    return Given(split, since, tested or split is Split.TEST)


def assign(
    groups: Groups, given: Mapping[str, Given], options: SplitOptions, holdout: Collection[str] = ()
) -> dict[str, Given]:
    """Assign each group a split: the one that a part of it has, else one from a hash of the group's name.

    A new group with a creator, or copies of one clip, that make up more of the feed than validation or test shall be is
    for training, unless there are so few others that a test could be empty.

    Args:
        groups: what is placed together.
        given: what was given before, by key.
        options: how clips are divided.
        holdout: groups that are for testing by their date, whatever they were before.

    Returns:
        What is given now, by group.
    """
    now = max((entry.since for entry in given.values()), default=0) + 1
    known: dict[str, list[Given]] = {}
    for key, group in groups.of.items():
        known.setdefault(group, []).extend([given[key]] if key in given else [])
    giant = {group for group, n in groups.undivided.items() if n > size_limit(len(groups.names), options.least_share)}
    testable = options.train > 0 and (len(known) - len(giant)) * options.least_share >= 1
    assigned = {}
    for group, parts in known.items():
        split = Split.TRAIN if group in giant and testable else split_of(group, options)
        assigned[group] = reconcile(parts) if parts else Given(split, now, split is Split.TEST)
    return assigned | {group: Given(Split.TEST, assigned[group].since, tested=True) for group in holdout}


def entries(
    groups: Groups, assigned: Mapping[str, Given], given: Mapping[str, Given], holdout: Collection[str] = ()
) -> dict[str, Given]:
    """List what each key has now: what it had, unless its group is for testing by its date; else what its group has."""
    return {
        key: given[key] if key in given and group not in holdout else assigned[group]
        for key, group in groups.of.items()
    }


def temporal_holdout(groups: Sequence[str], posted_at: Iterable[str], test_from: datetime | None) -> set[str]:
    """Find the groups with a clip posted at or after a moment, which are for testing.

    A group goes as a whole, with its clips from before: else a creator, or a copy, would be in two splits. A clip
    without a date counts as posted before.

    Args:
        groups: the name of each clip's group.
        posted_at: of each clip, ISO 8601; UTC if it has no zone; "" when unknown.
        test_from: the moment, with a zone; None gives no groups.
    """
    if test_from is None:
        return set()
    posted_at = list(posted_at)
    after = [bool(moment) and in_utc(moment) >= test_from for moment in posted_at]
    holdout = {group for group, is_after in zip(groups, after, strict=True) if is_after}
    drawn = sum(group in holdout for group in groups) - sum(after)
    undated = sum(not moment for moment in posted_at)
    _log.info(
        "test from %s: %d clips posted since, and %d earlier ones of the same groups; %d clips without a date count as "
        "earlier",
        *(test_from.isoformat(), sum(after), drawn, undated),
    )
    return holdout


def conflicts(
    keys: Sequence[GroupKeys], groups: Groups, assigned: Mapping[str, Given], now: Mapping[str, Given]
) -> list[str]:
    """Say of each clip why no split can take it: its creator, its copies and it itself are placed apart.

    Args:
        keys: of each clip.
        groups: what is placed together.
        assigned: what each group has.
        now: what each key has.

    Returns:
        Of each clip what is where; "" where all is in one split.
    """
    return [_apart(clip, assigned[groups.of[clip.content]].split, now) for clip in keys]


def leave_out(splits: Sequence[str], reasons: Sequence[str]) -> list[str]:
    """List each clip's split, which is `left_out` where there is a reason."""
    return [LEFT_OUT if reason else split for split, reason in zip(splits, reasons, strict=True)]


def _apart(clip: GroupKeys, copies: Split, now: Mapping[str, Given]) -> str:
    places = {f"creator {clip.creator.removeprefix(CREATOR)!r}": now[clip.creator].split} if clip.creator else {}
    places |= {"the clip until now": now[clip.content].split, "its copies": copies}
    if len(set(places.values())) == 1:
        return ""
    if now[clip.content].split is copies:
        del places["the clip until now"]
    return ", ".join(f"{what}: {split.value}" for what, split in places.items())

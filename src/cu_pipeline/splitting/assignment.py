"""The splits that were given, so that they are given again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC

import pandas as pd

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import SPLITS, Split, table
from cu_pipeline.splitting.group_keys import CONTENT
from cu_pipeline.splitting.groups import Units, size_limit
from cu_pipeline.splitting.options import SplitOptions
from cu_pipeline.splitting.split import split_of


@dataclass(frozen=True)
class Given:
    """The split that a key has.

    Attributes:
        split: of its unit.
        since: in which generation the unit's oldest key was added.
        tested: whether the unit holds clips that once were for testing.
    """

    split: Split
    since: int
    tested: bool


def division(options: SplitOptions) -> str:
    """Give what stands for a way to divide; another way starts afresh."""
    parts = [options.train, options.validation, options.test, options.salt]
    if options.test_from is not None:
        parts = [options.train, options.validation, options.salt, options.test_from.astimezone(UTC).isoformat()]
    return json_sha256(parts)[:12]


def read_ledger(ledger: pd.DataFrame, options: SplitOptions) -> dict[str, Given]:
    """Give what was given under these options, by key."""
    mine = ledger[ledger["division"] == division(options)]
    rows = zip(mine["key"], mine["split"], mine["since"], mine["tested"], strict=True)
    return {key: Given(Split(split), int(since), bool(tested)) for key, split, since, tested in rows}


def placed_splits(copies: Mapping[str, str], given: Mapping[str, Given]) -> dict[str, Split]:
    """Give the splits that creators, captions and copies have; copies that were placed apart before are settled."""
    parts: dict[str, list[Given]] = {}
    for key, entry in given.items():
        if key in copies or not key.startswith(CONTENT):
            parts.setdefault(copies.get(key, key), []).append(entry)
    return {key: settle(entries).split for key, entries in parts.items()}


def settle(parts: Collection[Given]) -> Given:
    """Give what holds for things that were placed apart: the split of the oldest.

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
    units: Units, given: Mapping[str, Given], options: SplitOptions, late: Collection[str] = ()
) -> dict[str, Given]:
    """Give each unit a split: the one that a part of it has, else one from a hash of the unit's name.

    A new unit with a creator, or copies of one clip, that make up more of the feed than validation or test shall be is
    for training, unless there are so few others that a test could be empty.

    Args:
        units: what is placed together.
        given: what was given before, by key.
        options: how clips are divided.
        late: units that are for testing by their date, whatever they were before.

    Returns:
        What is given now, by unit.
    """
    now = max((entry.since for entry in given.values()), default=0) + 1
    known: dict[str, list[Given]] = {}
    for key, unit in units.of.items():
        known.setdefault(unit, []).extend([given[key]] if key in given else [])
    giant = {unit for unit, n in units.undivided.items() if n > size_limit(len(units.names), options.least_share)}
    testable = options.train > 0 and (len(known) - len(giant)) * options.least_share >= 1
    assigned = {}
    for unit, parts in known.items():
        split = Split.TRAIN if unit in giant and testable else split_of(unit, options)
        assigned[unit] = settle(parts) if parts else Given(split, now, split is Split.TEST)
    return assigned | {unit: Given(Split.TEST, assigned[unit].since, tested=True) for unit in late}


def entries(
    units: Units, assigned: Mapping[str, Given], given: Mapping[str, Given], late: Collection[str] = ()
) -> dict[str, Given]:
    """Give what each key has now: what it had, unless its unit is for testing by its date; else what its unit has."""
    return {key: given[key] if key in given and unit not in late else assigned[unit] for key, unit in units.of.items()}


def write_ledger(ledger: pd.DataFrame, now: Mapping[str, Given], options: SplitOptions) -> pd.DataFrame:
    """Give the ledger with what keys have now; entries of clips that are gone, and of other options, stay."""
    mine = division(options)
    before = zip(*(ledger[name] for name in SPLITS), strict=True)
    rows = {(key, made): (split, since, tested) for key, made, split, since, tested in before}
    rows |= {(key, mine): (entry.split.value, entry.since, entry.tested) for key, entry in now.items()}
    return table([dict(zip(SPLITS, (*place, *rows[place]), strict=True)) for place in sorted(rows)], SPLITS)

"""The splits that were given, so that they are given again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

import pandas as pd

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import SPLITS, Split, table
from cu_pipeline.pipelines.collect.options import SplitOptions
from cu_pipeline.pipelines.collect.split import split_of


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


def assign(
    keys: Sequence[Sequence[str]],
    units: Sequence[str],
    given: Mapping[str, Given],
    options: SplitOptions,
    late: Collection[str] = (),
) -> dict[str, Given]:
    """Give each unit a split: the one that its oldest part had, else one from a hash of the unit's name.

    A unit of which a part was for testing is never for training: it stays or becomes test where its oldest part was
    for training.

    Args:
        keys: of each clip.
        units: the name of each clip's unit.
        given: what was given before, by key.
        options: how clips are divided.
        late: units that are for testing by their date, whatever they were before.

    Returns:
        What is given now, by unit.
    """
    now = max((entry.since for entry in given.values()), default=0) + 1
    known: dict[str, dict[str, Given]] = {unit: {} for unit in units}
    for mine, unit in zip(keys, units, strict=True):
        known[unit] |= {key: given[key] for key in mine if key in given}
    assigned = {unit: _settle(unit, parts, now, options) for unit, parts in known.items()}
    return assigned | {unit: Given(Split.TEST, assigned[unit].since, tested=True) for unit in late}


def write_ledger(
    ledger: pd.DataFrame,
    keys: Sequence[Sequence[str]],
    units: Sequence[str],
    assigned: Mapping[str, Given],
    options: SplitOptions,
) -> pd.DataFrame:
    """Give the ledger with what is given now; entries of clips that are gone, and of other options, stay."""
    mine = division(options)
    before = zip(*(ledger[name] for name in SPLITS), strict=True)
    rows = {(key, made): (split, since, tested) for key, made, split, since, tested in before}
    for clip_keys, unit in zip(keys, units, strict=True):
        entry = assigned[unit]
        for key in clip_keys:
            rows[key, mine] = (entry.split.value, entry.since, entry.tested)
    return table([dict(zip(SPLITS, (*place, *rows[place]), strict=True)) for place in sorted(rows)], SPLITS)


def _settle(unit: str, parts: Mapping[str, Given], now: int, options: SplitOptions) -> Given:
    if not parts:
        split = split_of(unit, options)
        return Given(split, now, split is Split.TEST)
    oldest = min(parts.values(), key=lambda entry: entry.since)
    # parts of one age were given their splits at once: the strictest holds, whatever their order
    same_age = {entry.split for entry in parts.values() if entry.since == oldest.since}
    split = next(one for one in (Split.TEST, Split.VALIDATION, Split.TRAIN) if one in same_age)
    tested = any(entry.tested for entry in parts.values())
    if tested and split is Split.TRAIN:
        split = Split.TEST
    return Given(split, oldest.since, tested or split is Split.TEST)

"""The splits that were given, so that they are given again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

import pandas as pd

from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import SPLITS, Split, table
from cu_pipeline.splitting.options import SplitOptions


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


def write_ledger(ledger: pd.DataFrame, now: Mapping[str, Given], options: SplitOptions) -> pd.DataFrame:
    """Give the ledger with what keys have now; entries of clips that are gone, and of other options, stay."""
    mine = division(options)
    before = zip(*(ledger[name] for name in SPLITS), strict=True)
    rows = {(key, made): (split, since, tested) for key, made, split, since, tested in before}
    rows |= {(key, mine): (entry.split.value, entry.since, entry.tested) for key, entry in now.items()}
    return table([dict(zip(SPLITS, (*place, *rows[place]), strict=True)) for place in sorted(rows)], SPLITS)

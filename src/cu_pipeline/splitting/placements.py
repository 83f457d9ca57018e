"""The splits that things have, and the ledger that remembers those of creators, contents and captions."""

from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cu_pipeline.core.caption_text import clean_name
from cu_pipeline.core.hashing import json_sha256
from cu_pipeline.core.records import SPLITS, Split
from cu_pipeline.core.text_columns import (
    Mask,
    Numbers,
    as_arrow,
    as_column,
    as_mask,
    mapped,
    numbered,
    places_among,
)
from cu_pipeline.splitting.keys import CREATOR
from cu_pipeline.splitting.options import SplitOptions

SPLIT_NAMES: Final = pa.array(list(Split), pa.large_string())
"""The laxest first; a split is written as its place here."""

TRAIN, VALIDATION, TEST = range(len(Split))


@dataclass(frozen=True)
class Placements:
    """The splits that things have; all of shape (things,).

    Attributes:
        split: its place among `SPLIT_NAMES`; -1 for a thing that has none.
        since: in which generation the oldest of the thing's group was added.
        tested: whether the group holds clips that once were for testing.
    """

    split: NDArray[np.int8]
    since: Numbers
    tested: Mask

    @classmethod
    def none(cls, size: int) -> Self:
        """Say of things that they have no split."""
        return cls(np.full(size, -1, np.int8), np.zeros(size, np.int64), np.zeros(size, bool))

    def __getitem__(self, which: Any) -> "Placements":
        return Placements(self.split[which], self.since[which], self.tested[which])

    def __setitem__(self, which: Any, those: "Placements") -> None:
        self.split[which], self.since[which], self.tested[which] = those.split, those.since, those.tested


def reconcile(parts: Placements, wholes: Numbers, size: int) -> Placements:
    """Decide what holds for things that were placed apart: the split of the oldest.

    Where a part was for testing, they are never for training: they are for testing if the oldest was for training.

    Args:
        parts: that have a split.
        wholes: what each part belongs to, shape (parts,).
        size: how many wholes there are; those of no part have no split.
    """
    since = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(since, wholes, parts.since)
    # parts of one age were given their splits at once: the strictest holds, whatever their order
    oldest = parts.since == since[wholes]
    split = np.full(size, -1, dtype=np.int8)
    np.maximum.at(split, wholes[oldest], parts.split[oldest])
    tested = np.zeros(size, dtype=bool)
    tested[wholes[parts.tested]] = True
    split[tested & (split == TRAIN)] = TEST
    return Placements(split, since, tested | (split == TEST))


def division(options: SplitOptions) -> str:
    """Name a way to divide; another way starts afresh."""
    parts = [options.train, options.validation, options.test, options.salt]
    if options.test_from is not None:
        parts = [options.train, options.validation, options.salt, options.test_from.astimezone(UTC).isoformat()]
    return json_sha256(parts)[:12]


@dataclass(frozen=True)
class Ledger:
    """What was given to keys so far.

    Attributes:
        keys: shape (rows,).
        divisions: the way to divide of each row.
        placements: of the rows.
    """

    keys: pa.Array
    divisions: pa.Array
    placements: Placements

    @classmethod
    def read(cls, table: pd.DataFrame) -> Self:
        """Read a table of `SPLITS`; one without columns has no rows."""
        table = table.reindex(columns=list(SPLITS))
        split = places_among(as_arrow(table["split"]), SPLIT_NAMES).astype(np.int8)
        placements = Placements(split, table["since"].to_numpy(np.int64), table["tested"].to_numpy(bool))
        return cls(as_arrow(table["key"]), as_arrow(table["division"]), placements)

    def table(self, dtype: Any) -> pd.DataFrame:
        """Give a table of `SPLITS`, with texts of a pandas type."""
        texts = {
            "key": self.keys,
            "division": self.divisions,
            "split": SPLIT_NAMES.take(pa.array(self.placements.split)),
        }
        columns = {name: as_column(one, dtype) for name, one in texts.items()}
        return pd.DataFrame(columns | {"since": self.placements.since, "tested": self.placements.tested})

    def rows(self, mask: Mask) -> "Ledger":
        """Give some of the rows."""
        chosen = pa.array(mask)
        return Ledger(self.keys.filter(chosen), self.divisions.filter(chosen), self.placements[mask])

    def of(self, options: SplitOptions) -> Mask:
        """Tell which rows were given under these options."""
        return as_mask(pc.equal(self.divisions, division(options)))


_PLAIN: Final = rf"\A{CREATOR}[!-%'-~]+( [!-%'-~]+)*\z"
"""Names whose spelling never changes: of visible ASCII without `&`, with single blanks."""


def respelt(ledger: Ledger) -> Ledger:
    """Spell creators as they are spelt now; those whose spellings had splits of their own have one then."""
    is_plain = pc.match_substring_regex(ledger.keys, _PLAIN)
    doubtful = pc.and_not(pc.starts_with(ledger.keys, CREATOR), is_plain)
    before = ledger.keys.filter(doubtful)
    now = mapped(before, lambda key: CREATOR + clean_name(key.removeprefix(CREATOR)), pa.large_string())
    if now.equals(before):
        return ledger
    key, keys = numbered(pc.replace_with_mask(ledger.keys, doubtful, now))
    made, divisions = numbered(ledger.divisions)
    places, row = np.unique(key * len(divisions) + made, return_inverse=True)
    key, made = np.divmod(places, len(divisions))
    return Ledger(keys.take(key), divisions.take(made), reconcile(ledger.placements, row, len(places)))


def with_new(ledger: Ledger, new: Ledger) -> Ledger:
    """Add rows of keys that the ledger lacks, and sort by key and division.

    Args:
        ledger: rows that stay.
        new: sorted rows.
    """
    if not len(ledger.keys):
        return new
    keys = pa.concat_arrays([ledger.keys, new.keys])
    divisions = pa.concat_arrays([ledger.divisions, new.divisions])
    both = pa.table({"key": keys, "division": divisions})
    order = pc.sort_indices(both, sort_keys=[("key", "ascending"), ("division", "ascending")])
    old, added = ledger.placements, new.placements
    placements = Placements(
        np.concatenate([old.split, added.split]),
        np.concatenate([old.since, added.since]),
        np.concatenate([old.tested, added.tested]),
    )
    return Ledger(keys.take(order), divisions.take(order), placements[order.to_numpy()])


def given_splits(table: pd.DataFrame, options: SplitOptions) -> dict[str, Split]:
    """Read which split keys were given under these options, creators as they are spelt now."""
    ledger = respelt(Ledger.read(table))
    mine = ledger.rows(ledger.of(options))
    splits = list(Split)
    return {key: splits[one] for key, one in zip(mine.keys.to_pylist(), mine.placements.split, strict=True)}

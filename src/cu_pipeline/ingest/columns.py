"""How a feed's columns are called."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Final

import pandas as pd

from cu_pipeline.core.caption_text import clean_name, folded_name
from cu_pipeline.core.errors import ManifestError
from cu_pipeline.core.rows import Rows

COLUMNS: Final = ("clip_id", "path", "text", "creator", "posted_at", "lang")
"""The manifest's columns besides those with labels."""

LABEL: Final = "label"
VOTES: Final = "annotations"

_log = logging.getLogger(__name__)


def known_columns(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Call the columns that are used by their names, as `known_names` finds them.

    Args:
        frame: a feed's rows.
        source: the feed, for messages.

    Raises:
        ManifestError: several columns could be meant.
    """
    return frame.rename(columns=known_names(frame.columns, source))


def known_names(names: Iterable[str], source: str) -> dict[str, str]:
    """Find the names that are used, where a feed has them in another case: `Text`, ` PATH `.

    Where a column has the very name, others that differ in case stay what they are, with a warning.

    Args:
        names: of a feed's columns.
        source: the feed, for messages.

    Returns:
        Name in the feed -> name that is used, where they differ.

    Raises:
        ManifestError: several columns could be meant.
    """
    given: dict[str, list[str]] = defaultdict(list)
    for name in names:
        given[_known(name)].append(name)
    renamed = {}
    for name, spellings in given.items():
        others = [one for one in spellings if one != name]
        if name in spellings and others:
            _log.warning("%s: columns %s stay beside %r and are kept as metadata", source, others, name)
        elif len(others) > 1:
            raise ManifestError(f"{source}: columns {others} differ only in case. Remedy: call the right one {name!r}")
        elif others:
            renamed[others[0]] = name
    return renamed


def capability_columns(rows: Rows, capabilities: Iterable[str]) -> Rows:
    """Call the columns of labels as the capabilities are, where they differ in case or form: `label_Safety`.

    Columns of several sources become one, unless a row has a value in both.
    """
    columns = [f"{part}_{name}" for name in capabilities for part in (LABEL, VOTES)]
    wanted = {folded_name(name): name for name in columns}
    for name in rows.names:
        column = wanted.get(folded_name(name), name)
        if column == name:
            continue
        if column not in rows.names:
            rows = rows.renamed({name: column})
        elif not any(_both(batch, column, name) for batch in rows.batches([column, name])):
            merged = rows.changed(partial(_merged, column, name), [column], [column, name])
            rows = merged.only([one for one in rows.names if one != name])
    return rows


def _both(batch: pd.DataFrame, one: str, other: str) -> bool:
    return bool(((batch[one] != "") & (batch[other] != "")).any())


def _merged(column: str, other: str, batch: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({column: batch[column].where(batch[column] != "", batch[other])})


def _known(name: str) -> str:
    cleaned = clean_name(name)
    folded = folded_name(name)
    if folded in {*COLUMNS, LABEL, VOTES}:
        return folded
    for part in (LABEL, VOTES):
        if folded.startswith(f"{part}_") and cleaned[: len(part)].casefold() == part:
            return part + cleaned[len(part) :]
    return cleaned or name

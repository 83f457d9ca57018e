"""What pandera finds wrong with a table, in words."""

from collections.abc import Iterator
from typing import Final

import pandas as pd

from cu_pipeline.core.records import TEXT, Table, dtype

SHOWN: Final = 3
"""Offending values that are named for each fault."""


def in_words(cases: pd.DataFrame, table: Table) -> Iterator[str]:
    """Give one line a fault: what is wrong, where, and what is allowed.

    Args:
        cases: pandera's failure cases.
        table: what the table must be like.
    """
    check = cases["check"].astype(str)
    about_columns, mistyped = check.isin(_COLUMNS), check.str.startswith("dtype(")
    yield from _columns(cases[about_columns], table)
    for name, seen in cases[mistyped].drop_duplicates("column")[["column", "failure_case"]].to_numpy().tolist():
        kind = dtype(table.columns.get(name) or TEXT)
        yield f"column {name!r} holds {str(seen)[:80]}; it must be of type {kind}"
    others = cases[~about_columns & ~cases["column"].isin(cases.loc[mistyped, "column"])]
    repeated = others["check"].astype(str) == "multiple_fields_uniqueness"
    if repeated.any():
        yield _repeated(others[repeated], table)
    for (name, rule), found in others[~repeated].groupby(["column", "check"], sort=False):
        yield _fault(str(name), str(rule), found)


_COLUMNS: Final = ("column_in_dataframe", "column_in_schema", "column_ordered")
_MEANINGS: Final = {"not_nullable": "a value in every row", "field_uniqueness": "each value once"}


def _fault(name: str, rule: str, cases: pd.DataFrame) -> str:
    values = ", ".join(cases["failure_case"].map(lambda value: repr(value)[:80]).drop_duplicates().head(SHOWN))
    where = f"{len(cases)} rows, the first is row {cases['index'].iloc[0]}"
    return f"column {name!r} holds {values} ({where}); allowed: {_MEANINGS.get(rule, rule)}"


def _columns(cases: pd.DataFrame, table: Table) -> Iterator[str]:
    known = ", ".join(table.columns)
    missing = cases.loc[cases["check"] == "column_in_dataframe", "failure_case"].tolist()
    unknown = cases.loc[cases["check"] == "column_in_schema", "failure_case"].tolist()
    if missing:
        yield f"columns {missing} are missing; it has: {known}"
    if unknown:
        yield f"columns {unknown} do not belong to it; it has: {known}"
    if len(cases) and not missing and not unknown:
        yield f"its columns are in another order than: {known}"


def _repeated(cases: pd.DataFrame, table: Table) -> str:
    rows = cases["index"].drop_duplicates()
    first = cases[cases["index"] == rows.iloc[0]]
    shown = dict(zip(first["column"], first["failure_case"], strict=True))
    return f"{len(rows)} rows repeat others, such as {shown}; allowed: each {' and '.join(table.key)} once"

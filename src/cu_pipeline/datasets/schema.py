"""Whether a table is what `core.records` says of it."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, Final

import pandas as pd

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.records import TABLES, TEXT, Column, Form, Table, dtype


def check_table(frame: pd.DataFrame, name: str, remedy: str) -> None:
    """Check a table against its schema.

    Args:
        frame: the table.
        name: of the schema, a key of `records.TABLES`.
        remedy: what to do about a fault, for the error.

    Raises:
        StoreError: it has other columns, types or values; names all faults.
    """
    from pandera.errors import SchemaErrors

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # pandera lists faults in a way that pandas will change
            _schema(name, tuple(frame.columns)).validate(frame, lazy=True, inplace=True)
    except SchemaErrors as error:
        faults = "".join(f"\n  {fault}" for fault in in_words(error.failure_cases, TABLES[name]))
        raise StoreError(f"table {name!r} is not what it must be:{faults}\n  {remedy}") from None


@cache
def _schema(name: str, given: tuple[str, ...]) -> Any:
    from pandera import pandas as pa

    about = TABLES[name]
    columns = about.columns | {column: about.others for column in given if column not in about.columns and about.others}
    return pa.DataFrameSchema(
        {column: _column(rule, unique=about.key == (column,)) for column, rule in columns.items()},
        strict=True,
        ordered=about.others is None,
        unique=list(about.key) if len(about.key) > 1 else None,
    )


def _column(rule: Column, *, unique: bool) -> Any:
    from pandera import pandas as pa

    checks = [pa.Check(check, name=words) for words, check in _checks(rule)]
    return pa.Column(dtype(rule), checks, nullable=rule.missing, unique=unique)


def _checks(rule: Column) -> Iterator[tuple[str, Callable[["pd.Series[Any]"], Any]]]:
    """List what a column must pass, each with the words that say what is allowed."""
    if rule.kind == "str":
        yield "text", _is_text
    if rule.filled:
        yield "any text but ''", lambda values: values != ""
    if rule.allowed:
        yield f"one of {', '.join(map(repr, map(str, rule.allowed)))}", lambda values: values.isin(rule.allowed)
    if rule.least is not None:
        yield f"at least {rule.least:g}", lambda values: values >= rule.least
    if rule.most is not None:
        yield f"at most {rule.most:g}", lambda values: values <= rule.most
    if rule.form is not None:
        has_form = FORMS[rule.form]
        yield f"{rule.form.value}, or ''", lambda values: values.map(lambda value: value == "" or has_form(value))


def _is_text(values: "pd.Series[Any]") -> Any:
    if pd.api.types.infer_dtype(values, skipna=False) in {"string", "empty"}:
        return True
    return values.map(lambda value: isinstance(value, str))


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_moment(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_object(value: Any) -> bool:
    try:
        return value == "{}" or isinstance(json.loads(value), dict)
    except (TypeError, ValueError):
        return False


def _is_list(value: Any) -> bool:
    try:
        return isinstance(json.loads(value), list)
    except (TypeError, ValueError):
        return False


FORMS: Final[dict[Form, Callable[[Any], bool]]] = {
    Form.SHA256: _is_sha256,
    Form.MOMENT: _is_moment,
    Form.JSON_OBJECT: _is_object,
    Form.JSON_LIST: _is_list,
}
"""Whether a text that is not "" is written in a form."""


SHOWN: Final = 3
"""Offending values that are named for each fault."""


def in_words(cases: pd.DataFrame, table: Table) -> Iterator[str]:
    """Write one line a fault: what is wrong, where, and what is allowed.

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

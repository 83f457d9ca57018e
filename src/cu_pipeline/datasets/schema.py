"""Whether a table is what `core.records` says of it."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.records import TABLES, Column, Form, dtype
from cu_pipeline.datasets.schema_faults import in_words


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
    """Give what a column must pass, each with the words that say what is allowed."""
    if rule.kind == "str":
        yield "text", _is_text
    if rule.kind == "vector":
        yield "arrays of finite numbers, of one length", _is_vector
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


def _is_vector(values: "pd.Series[Any]") -> Any:
    usual = len(values.iloc[0]) if len(values) and np.ndim(values.iloc[0]) == 1 else 0
    return values.map(lambda value: np.shape(value) == (usual,) and bool(np.isfinite(value).all()))


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


FORMS: Final[dict[Form, Callable[[Any], bool]]] = {
    Form.SHA256: _is_sha256,
    Form.MOMENT: _is_moment,
    Form.JSON_OBJECT: _is_object,
}
"""Whether a text that is not "" is written in a form."""

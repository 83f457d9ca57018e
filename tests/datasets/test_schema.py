import json
from dataclasses import dataclass

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.records import TABLES, TEXT, Form, dtype, table
from cu_pipeline.datasets.schema import check_table
from cu_pipeline.datasets.tables import ParquetTable

COLUMNS = {name: about.columns or {"path": TEXT, "views": TEXT} for name, about in TABLES.items()}

OF_FORM = {
    Form.SHA256: st.text("0123456789abcdef", min_size=64, max_size=64),
    Form.MOMENT: st.datetimes().map(lambda moment: moment.isoformat()),
    Form.JSON_OBJECT: st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=2).map(json.dumps),
    Form.JSON_LIST: st.lists(st.text(max_size=3), max_size=2).map(json.dumps),
}


def values_of(rule):
    if rule.allowed:
        return st.sampled_from([str(value) for value in rule.allowed])
    if rule.form:
        return st.just("") | OF_FORM[rule.form]
    if rule.kind == "float64":
        bounds = {"min_value": rule.least, "max_value": rule.most, "allow_infinity": False}
        return st.floats(**bounds) | st.just(float("nan")) if rule.missing else st.floats(**bounds, allow_nan=False)
    if rule.kind == "int64":
        return st.integers(rule.least, 2**63 - 1)
    return st.booleans() if rule.kind == "bool" else st.text(min_size=int(rule.filled), max_size=5)


def tables_of(name):
    key = TABLES[name].key
    unique = (lambda row: tuple(row[column] for column in key)) if key else None
    rows = st.fixed_dictionaries({column: values_of(rule) for column, rule in COLUMNS[name].items()})
    return st.lists(rows, max_size=3, unique_by=unique).map(lambda rows: table(rows, COLUMNS[name]))


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=8)
@given(data=st.data())
def test_a_valid_table_comes_back_as_it_was(name, data, tmp_path_factory):
    frame = data.draw(tables_of(name))
    place = tmp_path_factory.mktemp("table") / "table.parquet"
    ParquetTable(filepath=str(place), schema=name).save(frame)
    pd.testing.assert_frame_equal(ParquetTable(filepath=str(place), schema=name).load(), frame)


def valid(name):
    """Give a table of two rows."""
    usual = {"str": ("x", "y"), "float64": (0.5, 1.0), "int64": (1, 2), "bool": (True, False)}
    rows = [{}, {}]
    for column, rule in COLUMNS[name].items():
        for row, value in zip(rows, usual[rule.kind], strict=True):
            row[column] = str(rule.allowed[-1]) if rule.allowed else "" if rule.form else value
    return table(rows, COLUMNS[name])


@dataclass(frozen=True)
class Violation:
    value: object
    allowed: str


def violations(rule):
    """Give a value that breaks each rule of a column."""
    yield from OF_KIND[rule.kind]
    if rule.filled:
        yield Violation("", "any text but ''")
    if rule.allowed:
        yield Violation("nonsense", str(rule.allowed[0]))
    if rule.form:
        yield Violation("nonsense", rule.form.value)
    if rule.least is not None:
        yield Violation(rule.least - 1, f"at least {rule.least:g}")
    if rule.most is not None:
        yield Violation(rule.most + 0.5, f"at most {rule.most:g}")
    if rule.kind == "float64" and not rule.missing:
        yield Violation(float("nan"), "a value in every row")


OF_KIND = {
    "str": [Violation(None, "a value in every row"), Violation(7, "text")],
} | {kind: [Violation("seven", f"must be of type {kind}")] for kind in ("float64", "int64", "bool")}


@pytest.mark.parametrize("name", TABLES)
def test_a_valid_table_passes(name):
    check_table(valid(name), name, "")
    check_table(valid(name).head(0), name, "")


@pytest.mark.parametrize("name", TABLES)
def test_each_rule_is_kept(name):
    for column, rule in COLUMNS[name].items():
        for broken in violations(rule):
            frame = valid(name)
            values = pd.Series([frame.loc[0, column], broken.value], dtype=object)
            frame[column] = values if isinstance(broken.value, str) else values.astype(dtype(rule))
            with pytest.raises(StoreError) as error:
                check_table(frame, name, "Do this.")
            first, *faults, remedy = str(error.value).splitlines()
            assert first == f"table {name!r} is not what it must be:"
            assert any(f"column {column!r} holds" in fault and broken.allowed in fault for fault in faults), faults
            assert remedy.strip() == "Do this."


@pytest.mark.parametrize("name", [name for name, about in TABLES.items() if about.key])
def test_no_two_rows_have_one_key(name):
    frame = valid(name)
    for column in TABLES[name].key:
        frame.loc[1, column] = frame.loc[0, column]
    with pytest.raises(StoreError, match="once"):
        check_table(frame, name, "")


@pytest.mark.parametrize("name", [name for name, about in TABLES.items() if about.columns])
def test_columns_are_as_they_must_be(name):
    frame = valid(name)
    first = frame.columns[0]
    with pytest.raises(StoreError, match=rf"\['{first}'\] are missing"):
        check_table(frame.drop(columns=first), name, "")
    with pytest.raises(StoreError, match=r"\['odd'\] do not belong to it"):
        check_table(frame.assign(odd=1), name, "")
    with pytest.raises(StoreError, match="in another order"):
        check_table(frame[frame.columns[::-1]], name, "")


def test_all_faults_are_told_at_once():
    frame = valid("rejects").assign(reason=["bad", "worse"], detail=None, odd=1)
    with pytest.raises(StoreError) as error:
        check_table(frame, "rejects", "")
    for part in ("'odd'", "'bad', 'worse' (2 rows, the first is row 0)", "'detail'", "'duplicate_id'"):
        assert part in str(error.value)

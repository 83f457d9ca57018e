import pandas as pd
import pytest

from cu_pipeline.core import records

VALUES = {"str": "x", "float64": 1.5, "int64": 2, "bool": True}


@pytest.mark.parametrize("name", records.TABLES)
def test_an_empty_table_has_the_columns_and_types_of_a_full_one(name: str) -> None:
    columns = records.TABLES[name].columns
    empty = records.table([], columns)
    full = records.table([{column: VALUES[rule.kind] for column, rule in columns.items()}], columns)
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert list(empty.columns) == list(columns)


@pytest.mark.parametrize("name", records.TABLES)
def test_keys_are_columns(name: str) -> None:
    assert set(records.TABLES[name].key) <= set(records.TABLES[name].columns)


def test_other_columns_are_left_out() -> None:
    frame = records.table(
        pd.DataFrame({"clip_id": ["a"], "path": "", "reason": "", "detail": "", "x": 1}), records.REJECTS
    )
    assert list(frame.columns) == list(records.REJECTS)

import pandas as pd
import pytest

from cu_pipeline.core import records

TABLES = {name: value for name, value in vars(records).items() if name.isupper() and isinstance(value, dict)}


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_has_the_columns_and_types_of_a_full_one(name: str) -> None:
    empty = records.table([], TABLES[name])
    values = {"str": "x", "float64": 1.5, "int64": 2, "bool": True}
    full = records.table([{column: values[kind] for column, kind in TABLES[name].items()}], TABLES[name])
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert list(empty.columns) == list(TABLES[name])


def test_other_columns_are_left_out() -> None:
    frame = records.table(
        pd.DataFrame({"clip_id": ["a"], "path": "", "reason": "", "detail": "", "x": 1}), records.REJECTS
    )
    assert list(frame.columns) == list(records.REJECTS)

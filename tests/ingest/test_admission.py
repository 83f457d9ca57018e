import pandas as pd
import pytest

from cu_pipeline.core.records import REJECTS, SPLITS, table
from cu_pipeline.ingest import admission
from cu_pipeline.ingest.admission import TableBuilder


@pytest.mark.parametrize("number", [0, 1, 3, 6, 7])
def test_rows_give_the_table_that_they_give_at_once(number, monkeypatch):
    monkeypatch.setattr(admission, "_CHUNK", 3)
    rows = [
        {"key": f"creator:{row}", "division": "d", "split": "train", "since": row + 1, "tested": row % 2 == 0}
        for row in range(number)
    ]
    builder = TableBuilder(SPLITS)
    for row in rows:
        builder.append({**row, "unused": 1})
    pd.testing.assert_frame_equal(builder.table(), table(rows, SPLITS))


def test_a_table_without_rows_has_its_columns():
    assert TableBuilder(REJECTS).table().columns.tolist() == list(REJECTS)

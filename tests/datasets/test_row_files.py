import pandas as pd
import pytest
from kedro.io import DatasetError

from cu_pipeline.core import rows as module
from cu_pipeline.core.records import DUPLICATES, table
from cu_pipeline.core.rows import rows_of
from cu_pipeline.datasets import row_files
from cu_pipeline.datasets.tables import EarlierTable, ParquetRows, ParquetTable

NAMES = [f"c{place:02}" for place in range(11)]
FRAME = table(pd.DataFrame({"clip_id": NAMES, "duplicate_group": "c00", "bits": 0.5}), DUPLICATES)


@pytest.fixture
def few(monkeypatch):
    for place in (module, row_files):
        monkeypatch.setattr(place, "BATCH", 4)


def saved(tmp_path, data, kind=ParquetTable):
    dataset = kind(filepath=str(tmp_path / "a.parquet"), schema="duplicates")
    dataset.save(data)
    return (tmp_path / "a.parquet").read_bytes()


@pytest.mark.parametrize("kind", [ParquetTable, ParquetRows])
def test_rows_and_arrows_text_give_the_bytes_that_objects_give(tmp_path, kind):
    expected = saved(tmp_path, FRAME)
    assert saved(tmp_path, rows_of(FRAME), kind) == expected
    assert saved(tmp_path, FRAME.astype({"clip_id": pd.StringDtype("pyarrow")}), kind) == expected


def test_equal_rows_give_equal_bytes_however_they_come(tmp_path, few):
    whole = saved(tmp_path, rows_of(FRAME))
    pd.testing.assert_frame_equal(ParquetTable(filepath=str(tmp_path / "a.parquet")).load(), FRAME)
    assert saved(tmp_path, rows_of(FRAME).where((FRAME.index >= 0) & (FRAME["bits"] > 0).to_numpy())) == whole
    assert saved(tmp_path, module.stacked([rows_of(FRAME.iloc[:3]), rows_of(FRAME.iloc[3:])])) == whole


@pytest.mark.parametrize("names", [[*NAMES[:9], "c00", "c10"], [*NAMES[::-1][:10], "c10"]])
def test_a_key_that_stands_twice_is_found_also_in_another_batch(tmp_path, few, names):
    saved(tmp_path, FRAME)
    before = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(DatasetError, match=r"rows repeat others, such as \{'clip_id': 'c.0'\}; allowed: each clip_id"):
        saved(tmp_path, rows_of(FRAME.assign(clip_id=names)))
    assert (tmp_path / "a.parquet").read_bytes() == before


def test_keys_in_any_order_are_fine_if_none_stands_twice(tmp_path, few):
    saved(tmp_path, rows_of(FRAME.iloc[::-1]))
    found = ParquetRows(filepath=str(tmp_path / "a.parquet"), schema="duplicates").load().frame()
    assert found["clip_id"].tolist() == NAMES[::-1]


def test_a_fault_is_told_by_its_row_in_the_whole_table(tmp_path, few):
    with pytest.raises(DatasetError, match=r"column 'bits' holds -1.0 \(1 rows, the first is row 9\)"):
        saved(tmp_path, rows_of(FRAME.assign(bits=[0.5] * 9 + [-1.0, 0.5])))


def test_an_edited_file_is_told_when_its_rows_are_opened(tmp_path, few):
    FRAME.assign(bits=-1.0).to_parquet(tmp_path / "a.parquet", index=False)
    for kind in (ParquetRows, EarlierTable):
        with pytest.raises(DatasetError, match="was edited"):
            kind(filepath=str(tmp_path / "a.parquet"), schema="duplicates").load()

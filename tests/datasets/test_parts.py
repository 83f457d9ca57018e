from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DatasetError

from cu_pipeline.core.records import DUPLICATES, LEDGER, TABLES, table
from cu_pipeline.core.rows import Rows
from cu_pipeline.datasets.row_files import write_rows
from cu_pipeline.datasets.tables import ParquetParts


def _rows(*names: str) -> pd.DataFrame:
    return table([{"clip_id": name, "duplicate_group": "a", "bits": 1.0} for name in names], DUPLICATES)


def test_a_growing_table_keeps_its_rows_in_order_and_no_rows_add_no_part(tmp_path: Path) -> None:
    parts = ParquetParts(filepath=str(tmp_path / "ledger"), schema="duplicates")
    assert parts.load().columns.tolist() == list(DUPLICATES)
    for names in (["b", "a"], [], ["c"]):
        parts.save(_rows(*names))
    assert parts.load()["clip_id"].tolist() == ["b", "a", "c"]
    assert len(list((tmp_path / "ledger").iterdir())) == 2
    with pytest.raises(DatasetError, match="It was not added to"):
        parts.save(_rows("d").assign(bits=-1.0))
    assert len(parts.load()) == 3


def test_parts_are_read_in_the_order_in_which_they_were_added_whatever_order_the_disk_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = ParquetParts(filepath=str(tmp_path), schema="duplicates")
    names = [f"clip {number}" for number in range(12)]
    for name in names:
        parts.save(_rows(name))
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda self, pattern: sorted(glob(self, pattern), reverse=True))
    assert parts.load()["clip_id"].tolist() == names


def test_parts_of_an_earlier_version_get_the_columns_that_have_come_since(tmp_path: Path) -> None:
    row = dict.fromkeys(LEDGER, "") | {"key": "k1", "clip_id": "1", "capability": "topic", "label": "a"}
    row |= {"kind": "human", "probability": 0.9, "price": 0.04, "tokens": 0, "entered_at": "2026-03-02T08:00:00+00:00"}
    older = table([row], LEDGER).drop(columns="batch")
    older.to_parquet(tmp_path / "part-000000-abc.parquet", index=False)
    ledger = ParquetParts(filepath=str(tmp_path), schema="ledger")
    ledger.save(table([row | {"key": "k2", "batch": "b"}], LEDGER))
    assert ledger.load()[["key", "batch"]].to_numpy().tolist() == [["k1", ""], ["k2", "b"]]
    assert list(ledger.load()) == list(TABLES["ledger"].columns)


def test_equal_rows_that_are_added_again_are_there_twice(tmp_path: Path) -> None:
    for _ in range(2):
        ParquetParts(filepath=str(tmp_path), schema="duplicates").save(_rows("a"))
    assert ParquetParts(filepath=str(tmp_path), schema="duplicates").load()["clip_id"].tolist() == ["a", "a"]


def test_a_part_that_was_not_finished_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = ParquetParts(filepath=str(tmp_path), schema="duplicates")
    parts.save(_rows("a"))

    def stop_half_way(rows: Rows, path: Path, schema: str | None, remedy: str) -> None:
        write_rows(rows, path, schema, remedy)
        path.write_bytes(path.read_bytes()[:50])
        assert parts.load()["clip_id"].tolist() == ["a"], "another process reads meanwhile"
        raise OSError("the disk is gone")

    monkeypatch.setattr("cu_pipeline.datasets.tables.write_rows", stop_half_way)
    with pytest.raises((DatasetError, OSError), match="the disk is gone"):
        parts.save(_rows("b"))
    assert parts.load()["clip_id"].tolist() == ["a"]
    assert len(list(tmp_path.iterdir())) == 1

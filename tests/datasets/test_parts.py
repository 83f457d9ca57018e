from pathlib import Path

import pandas as pd

from cu_pipeline.datasets.parts import JSONLog, ParquetParts


def test_a_growing_table_keeps_its_rows_in_order_and_no_rows_add_no_part(tmp_path: Path) -> None:
    parts = ParquetParts(filepath=str(tmp_path / "ledger"))
    assert parts.load().empty
    for values in ([2, 1], [], [3]):
        parts.save(pd.DataFrame({"x": values}))
    assert parts.load()["x"].tolist() == [2, 1, 3]
    assert len(list((tmp_path / "ledger").iterdir())) == 2


def test_a_log_keeps_whole_records_and_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JSONLog(filepath=str(path))
    assert log.load() == []
    log.save([])
    assert path.read_bytes() == b""
    log.save([{"b": 1, "a": "é"}])
    written = path.read_bytes()
    log.save([])
    assert path.read_bytes() == written
    path.write_bytes(written + b'{"torn')
    log.save([{"c": 2}])
    assert log.load() == [{"a": "é", "b": 1}, {"c": 2}]

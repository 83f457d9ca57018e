from pathlib import Path

import pytest
from kedro.io import DatasetError

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import StoreError
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.objects import JSONObject, JSONObjectLog, JSONObjects
from cu_pipeline.datasets.tables import JSONFile

NAME = "cu_pipeline.core.resolved.ResolvedCapabilities"
ONE = ResolvedCapabilities({"topic": Capability(classes=("a", "é"))}, waiting={"topic": "no label yet"})
OTHER = ResolvedCapabilities(skipped={"mood": "no classes"})


def test_an_object_comes_back_from_its_file(tmp_path: Path) -> None:
    one = JSONObject(filepath=str(tmp_path / "one.json"), of=NAME)
    one.save(ONE)
    assert one.load() == ONE
    several = JSONObjects(filepath=str(tmp_path / "several.json"), of=NAME)
    several.save({"x": ONE, "y": OTHER})
    assert several.load() == {"x": ONE, "y": OTHER}


def test_a_log_keeps_whole_objects_and_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = JSONObjectLog(filepath=str(path), of=NAME)
    assert log.load() == []
    log.save([])
    assert path.read_bytes() == b""
    log.save([ONE])
    written = path.read_bytes()
    log.save([])
    assert path.read_bytes() == written
    path.write_bytes(written + b'{"torn')
    log.save([OTHER])
    assert log.load() == [ONE, OTHER]


@pytest.mark.parametrize("line", ["garbage", "{}", "[1]", ""])
def test_a_damaged_line_of_a_log_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "log.jsonl"
    log = JSONObjectLog(filepath=str(path), of=NAME)
    log.save([ONE])
    with path.open("a") as stream:
        stream.write(line + "\n")
    with pytest.raises(DatasetError, match="line 2 is damaged") as told:
        log.load()
    assert isinstance(told.value.__cause__, StoreError)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"other": 1}'])
def test_a_damaged_file_is_told_with_the_remedy(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    datasets = [JSONObject(filepath=str(path), of=NAME), JSONObjects(filepath=str(path), of=NAME)]
    datasets += [JSONFile(filepath=str(path))] if text in {"", "{"} else []
    for dataset in datasets:
        with pytest.raises(DatasetError, match=r"file\.json is damaged \(.*`dvc checkout`.* makes it again"):
            dataset.load()

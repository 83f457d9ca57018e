import pandas as pd
import pytest
from kedro.io.core import DatasetError

from cu_pipeline.core.errors import ConfigurationError, StoreError
from cu_pipeline.core.records import DUPLICATES, REJECTS, table
from cu_pipeline.datasets import tables
from cu_pipeline.datasets.tables import CSVTable, EarlierColumns, EarlierTable, JSONFile, ParquetRows, ParquetTable

GOOD = table([{"clip_id": "a", "duplicate_group": "a", "bits": 1.0}], DUPLICATES)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "duplicates.parquet"


def cause(error):
    return error.value.__cause__ or error.value


@pytest.mark.parametrize("kind", [ParquetTable, ParquetRows, EarlierTable])
@pytest.mark.parametrize("left", [0, 100, -8])
def test_a_damaged_parquet_file_is_told_with_the_remedy(place, kind, left):
    ParquetTable(filepath=str(place), schema="duplicates").save(GOOD)
    place.write_bytes(place.read_bytes()[:left])
    with pytest.raises(DatasetError, match=r"duplicates\.parquet is damaged \(.*`dvc checkout`.* makes it again"):
        kind(filepath=str(place), schema="duplicates").load()
    lacking = EarlierColumns(filepath=str(place), columns=["clip_id"]).load()
    assert (lacking.names, len(lacking)) == (("clip_id",), 0)


def test_a_table_that_breaks_its_schema_is_not_written(place):
    dataset = ParquetTable(filepath=str(place), schema="duplicates")
    dataset.save(GOOD)
    before = place.read_bytes()
    with pytest.raises((DatasetError, StoreError)) as error:
        dataset.save(GOOD.assign(bits=-1.0))
    assert isinstance(cause(error), StoreError)
    assert "column 'bits' holds -1.0 (1 rows, the first is row 0); allowed: at least 0" in str(cause(error))
    assert place.read_bytes() == before


def test_a_file_that_was_edited_is_refused_with_a_remedy(place):
    dataset = ParquetTable(filepath=str(place), schema="duplicates")
    dataset.save(GOOD)
    GOOD.assign(bits=-1.0).to_parquet(place, index=False)
    with pytest.raises((DatasetError, StoreError)) as error:
        dataset.load()
    assert f"dvc checkout {place}" in str(cause(error))


def test_a_table_of_text_is_checked_too(tmp_path):
    place = tmp_path / "rejects.csv"
    rejects = table([{"clip_id": "1", "path": "", "reason": "missing", "detail": "NA"}], REJECTS)
    CSVTable(filepath=str(place), schema="rejects").save(rejects)
    pd.testing.assert_frame_equal(CSVTable(filepath=str(place), schema="rejects").load(), rejects)
    place.write_text(place.read_text().replace("missing", "gone"))
    with pytest.raises((DatasetError, StoreError), match="'gone'"):
        CSVTable(filepath=str(place), schema="rejects").load()


def test_what_was_checked_is_not_checked_again_until_it_changes(place, monkeypatch):
    checked = []
    monkeypatch.setattr(tables, "check_table", lambda frame, *_: checked.append(len(frame)))
    dataset = ParquetTable(filepath=str(place), schema="duplicates")
    dataset.save(GOOD)
    dataset.load()
    assert len(checked) == 1
    pd.concat([GOOD, GOOD]).to_parquet(place, index=False)
    dataset.load()
    dataset.load()
    assert checked == [1, 2]


def test_a_large_table_is_held_once_however_many_load_it(place, monkeypatch):
    dataset = ParquetTable(filepath=str(place), schema="duplicates")
    dataset.save(GOOD)
    assert dataset.load() is not dataset.load(), "small ones are everyone's own"
    monkeypatch.setattr(tables, "LARGE", 0)
    held = dataset.load()
    assert dataset.load() is held
    dataset.save(GOOD.assign(bits=2.0))
    assert dataset.load()["bits"].tolist() == [2.0]
    assert held["bits"].tolist() == [1.0]


def test_a_table_without_a_schema_holds_anything(place):
    ParquetTable(filepath=str(place)).save(pd.DataFrame({"x": [1]}))
    assert ParquetTable(filepath=str(place)).load()["x"].tolist() == [1]


def test_an_unknown_schema_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"'clip' of x is unknown\. Allowed: raw_manifest, clips"):
        ParquetTable(filepath="x", schema="clip")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ParquetTable, GOOD, pd.DataFrame({"x": [1, "a", object()]})),
        (JSONFile, {"b": 1, "a": [2]}, {"b": float("nan")}),
    ],
)
def test_what_cannot_be_written_leaves_the_earlier_file_and_no_other(tmp_path, kind, good, bad):
    dataset = kind(filepath=str(tmp_path / "file"))
    dataset.save(good)
    before = (tmp_path / "file").read_bytes()
    with pytest.raises((DatasetError, ValueError, TypeError)):
        dataset.save(bad)
    assert (tmp_path / "file").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_keys_keep_their_order_in_a_json_file(tmp_path):
    dataset = JSONFile(filepath=str(tmp_path / "file.json"))
    dataset.save({"z": 1, "ä": {"y": 2, "x": 3}})
    assert list(dataset.load()) == ["z", "ä"]
    assert "ä" in (tmp_path / "file.json").read_text(encoding="utf-8")


def test_a_table_of_an_earlier_run_is_empty_before_the_first(place):
    earlier = EarlierTable(filepath=str(place), schema="duplicates")
    assert earlier.load().empty
    ParquetTable(filepath=str(place), schema="duplicates").save(GOOD)
    pd.testing.assert_frame_equal(earlier.load().astype(GOOD.dtypes), GOOD)


@pytest.mark.parametrize(("kind", "writer"), [(ParquetTable, "to_parquet"), (CSVTable, "to_csv")])
def test_a_write_that_stops_half_way_leaves_the_earlier_table(tmp_path, monkeypatch, kind, writer):
    dataset = kind(filepath=str(tmp_path / "file"))
    dataset.save(GOOD)
    before = (tmp_path / "file").read_bytes()

    def stop_half_way(frame, path, **options):
        path.write_bytes(before[:9])
        raise OSError("the disk is gone")

    monkeypatch.setattr(pd.DataFrame, writer, stop_half_way)
    with pytest.raises((DatasetError, OSError), match="the disk is gone"):
        dataset.save(GOOD)
    assert (tmp_path / "file").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

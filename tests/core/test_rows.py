"""Rows are the same whether they lie in memory or in a file, and however many are worked on together."""

import copy
import gc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cu_pipeline.core import batch_file, row_order, spool
from cu_pipeline.core import rows as rows_module
from cu_pipeline.core.row_order import repeats, sort_rows, sorted_rank
from cu_pipeline.core.rows import Rows, read_parquet_rows, rows_of, stacked
from cu_pipeline.core.spool import spooled

FRAME = pd.DataFrame(
    {"name": [f"n{place}" for place in range(23)], "size": range(23), "share": [place / 7 for place in range(23)]}
)
TEXT = pd.StringDtype("pyarrow")
MODULES = (rows_module, batch_file, spool, row_order)


@pytest.fixture(params=[4, 2**17], autouse=True)
def batch(request, monkeypatch, tmp_path):
    """A few rows, so that most of them lie in a file; or many, so that none do."""
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    for module in MODULES:
        monkeypatch.setattr(module, "BATCH", request.param)
    return request.param


def parts(frame: pd.DataFrame, size: int = 5) -> Rows:
    return spooled(frame.iloc[at : at + size] for at in range(0, len(frame), size))


def same(rows: Rows, frame: pd.DataFrame) -> None:
    assert (rows.names, len(rows)) == (tuple(frame.columns), len(frame))
    pd.testing.assert_frame_equal(rows.frame(), frame.reset_index(drop=True), check_index_type=False)
    for name in frame:
        assert rows.columns(name)[name].tolist() == frame[name].tolist()


def test_rows_are_read_again_and_again_as_they_were_added(batch):
    rows = parts(FRAME)
    for _ in range(2):
        same(rows, FRAME)
    assert max(map(len, rows.batches())) <= batch
    assert [place for part in rows.batches(["size"]) for place in part.index] == list(range(23))
    assert rows.columns("name")["name"].dtype == TEXT
    assert copy.deepcopy(rows) is rows
    one, other = rows.batches(["name"]), rows.batches(["size", "name"])
    assert next(one)["name"].tolist() == next(other)["name"].tolist()


def test_a_column_that_came_late_holds_nothing_before():
    late = FRAME.iloc[10:].assign(late="x")
    rows = spooled([FRAME.iloc[:10], late, FRAME.iloc[:2]])
    same(rows, pd.concat([FRAME.iloc[:10], late, FRAME.iloc[:2]]).fillna({"late": ""}))


def test_views_choose_add_change_and_rename():
    rows = parts(FRAME)
    kept = (FRAME["size"] % 3 == 0).to_numpy()
    few, expected = rows.where(kept), FRAME[kept].reset_index(drop=True)
    same(few, expected)
    more = pd.DataFrame({"share": -1.0, "more": [f"m{place}" for place in range(len(few))]})
    same(few.beside(more), expected.assign(share=-1.0, more=more["more"]))
    doubled = few.changed(lambda part: part[["size"]] * 2, ["size"], ["size"])
    same(
        doubled.renamed({"name": "called"}),
        expected.assign(size=expected["size"] * 2).rename(columns={"name": "called"}),
    )
    same(few.only(["absent", "size"]), expected.assign(absent="")[["absent", "size"]])
    same(rows.where(np.zeros(23, dtype=bool)), FRAME.iloc[:0])
    same(stacked([few, rows_of(FRAME[["name"]].assign(new="y"))]).only(["new", "name"]),
         pd.concat([expected.assign(new=""), FRAME.assign(new="y")])[["new", "name"]])  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abé猫😂", max_size=4), min_size=1, max_size=40, unique=True))
def test_rows_are_sorted_as_python_sorts_their_names(names):
    for size in (3, 2**17):
        with pytest.MonkeyPatch.context() as patch:
            for module in MODULES:
                patch.setattr(module, "BATCH", size)
            frame = pd.DataFrame({"name": names, "place": range(len(names))})
            rows = parts(frame)
            found = sort_rows(rows, sorted_rank(rows.columns("name")["name"])).frame()
    assert found["name"].tolist() == sorted(names)
    assert [names[place] for place in found["place"]] == sorted(names)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_a_value_repeats_another_only_if_both_count(pairs):
    values = pd.Series([value for value, _ in pairs], dtype=TEXT)
    counted = np.array([counts for _, counts in pairs], dtype=bool)
    before = [{value for value, counts in pairs[:place] if counts} for place in range(len(pairs))]
    expected = [counts and value in seen for (value, counts), seen in zip(pairs, before, strict=True)]
    assert repeats(values, counted).tolist() == expected


def test_the_file_has_no_name_and_goes_with_the_last_reader(batch, tmp_path):
    def open_files() -> int:
        links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
        return sum(str(tmp_path) in str(one.readlink()) for one in links)

    rows = parts(FRAME).where(np.ones(23, dtype=bool))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert open_files() == (batch == 4)
    reader = rows.batches(["size"])
    del rows
    assert [value for part in reader for value in part["size"]] == list(range(23))
    del reader
    gc.collect()
    assert open_files() == 0


def test_a_parquet_file_is_read_a_batch_at_a_time(batch, tmp_path):
    FRAME.to_parquet(tmp_path / "a.parquet", index=False)
    same(read_parquet_rows(tmp_path / "a.parquet"), FRAME)
    FRAME.iloc[:0].to_parquet(tmp_path / "a.parquet", index=False)
    assert read_parquet_rows(tmp_path / "a.parquet").frame().columns.tolist() == list(FRAME)

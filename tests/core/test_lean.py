import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.lean import (
    TEXT,
    below,
    beside,
    distinct,
    in_order,
    last_of_each,
    lean,
    places,
    renumbered,
    rows_where,
    texts,
)
from cu_pipeline.core.rows import Rows, read_parquet_rows, rows_of

KEYS = st.lists(st.tuples(st.sampled_from(["é", "a", "Z", "", "ab"]), st.sampled_from("xyz")), max_size=12)


def _both(rows):
    plain = pd.DataFrame(rows, columns=["a", "b"], dtype=object)
    return plain, plain.astype(TEXT)


def test_text_that_repeats_is_shared_and_other_text_is_arrows():
    plain = pd.DataFrame({"id": [f"c{number}" for number in range(40)], "kind": "human", "price": 0.5, "sure": True})
    found = lean(rows_of(plain))
    assert found.dtypes.tolist() == [TEXT, object, "float64", "bool"]
    assert len({id(text) for text in found["kind"]}) == 1
    pd.testing.assert_frame_equal(found.astype(plain.dtypes), plain)


def test_a_column_that_repeats_at_first_and_differs_later_is_whole(monkeypatch):
    monkeypatch.setattr("cu_pipeline.core.rows.BATCH", 20)
    plain = pd.DataFrame({"kind": ["human"] * 20 + [f"k{number}" for number in range(30)]})
    pd.testing.assert_frame_equal(lean(rows_of(plain)), plain)


def _below(*tables):
    return Rows(("a",), sum(map(len, tables)), lambda names: (one.select(names) for one in tables))


def test_a_table_without_rows_is_one(tmp_path):
    plain = pd.DataFrame({"id": ["a"], "price": [0.5]}).iloc[:0]
    plain.to_parquet(tmp_path / "none.parquet")
    for rows in (rows_of(plain), read_parquet_rows(tmp_path / "none.parquet"), _below()):
        assert lean(rows).to_dict("list") == {name: [] for name in rows.names}


@pytest.mark.parametrize("repeats", [True, False])
def test_text_of_several_arrow_types_is_one_column(repeats):
    kinds = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))
    texts = ["x"] * 9 if repeats else [f"x{number}" for number in range(9)]
    found = lean(_below(*(pa.table({"a": pa.array(texts).cast(kind)}) for kind in (*kinds, *kinds[::-1]))))
    assert found["a"].tolist() == texts * 8
    assert found.dtypes.tolist() == [object if repeats else TEXT]


@pytest.mark.parametrize("repeats", [True, False])
def test_batches_without_any_text_are_missing_text(repeats):
    texts = ["x"] * 9 if repeats else [f"x{number}" for number in range(9)]
    some, none = pa.table({"a": texts}), pa.table({"a": pa.nulls(2)})
    assert lean(_below(some, none, some))["a"].isna().tolist() == [False] * 9 + [True] * 2 + [False] * 9
    assert lean(_below(none, some))["a"].tolist()[2:] == texts


@given(KEYS)
def test_rows_are_sorted_and_the_last_of_each_are_found_as_by_pandas(rows):
    plain, arrows = _both(rows)
    wanted = ~plain.duplicated(["a", "b"], keep="last").to_numpy()
    for table in (plain, arrows):
        assert last_of_each(table, ["a", "b"]).tolist() == wanted.tolist()
        found = in_order(table, ["a", "b"])
        assert found.astype(object).to_numpy().tolist() == sorted(map(list, rows))
        assert distinct(table["a"]).tolist() == sorted({one for one, _ in rows})


@given(KEYS, KEYS)
def test_places_are_those_of_an_index(rows, others):
    among = pd.Index(dict.fromkeys(one for one, _ in others), dtype=object)
    wanted = among.get_indexer([one for one, _ in rows])
    for table in _both(rows):
        for index in (among, among.astype(TEXT)):
            assert places(table["a"], index).tolist() == wanted.tolist()


def test_what_is_put_below_arrows_text_becomes_arrows_and_its_rows_keep_their_order():
    few, many = _both([("x", "1"), ("y", "2")])
    found = below([few, many, few.iloc[:0]])
    assert found.dtypes.tolist() == [TEXT, TEXT]
    assert found["a"].tolist() == ["x", "y", "x", "y"]
    assert texts(iter("abc"), many["a"]).dtype == TEXT
    assert texts(iter("abc"), few["a"]).tolist() == list("abc")
    assert np.asarray(texts(iter(()), many["a"])).tolist() == []


def test_rows_and_columns_that_stay_are_shared_and_what_is_given_is_not_changed():
    rows = [("x", "1"), ("y", "2"), ("z", "3")]
    for table in (*_both(rows), pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})):
        before = table.copy()
        assert rows_where(table, [True, True, True]) is table
        assert rows_where(table, table["b"] != table["b"].iloc[1])["a"].tolist() == [
            table["a"].iloc[0],
            table["a"].iloc[2],
        ]
        more = beside(table, a=table["b"].to_numpy(), c=7)
        assert more["a"].tolist() == table["b"].tolist()
        assert list(more) == ["a", "b", "c"]
        assert renumbered(table.iloc[1:]).index.tolist() == [0, 1]
        alone = below([table.iloc[:0], table.iloc[1:], table.iloc[:0]])
        assert alone.index.tolist() == [0, 1]
        pd.testing.assert_frame_equal(alone, table.iloc[1:].reset_index(drop=True))
        pd.testing.assert_frame_equal(table, before)
    numbers = table.iloc[1:]
    assert np.shares_memory(below([numbers, numbers.iloc[:0]])["a"].to_numpy(), table["a"].to_numpy())
    assert np.shares_memory(beside(table, b=0)["a"].to_numpy(), table["a"].to_numpy())

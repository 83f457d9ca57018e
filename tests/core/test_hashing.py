import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cu_pipeline.core.hashing import file_sha256, json_sha256, text_sha256, unit_interval


def test_a_file_and_its_text_have_the_same_hash(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("caption ✓", encoding="utf-8")
    assert file_sha256(path) == text_sha256("caption ✓") == hashlib.sha256("caption ✓".encode()).hexdigest()


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_json_hashes_do_not_depend_on_the_order_of_keys(value: dict[str, int | str]) -> None:
    assert json_sha256(value) == json_sha256(dict(reversed(value.items())))


@given(st.text())
def test_any_text_has_a_hash_and_a_place_in_the_unit_interval(text: str) -> None:
    assert len(text_sha256(text + "\ud800")) == 64
    assert 0 <= unit_interval(text + "\ud800") < 1


def test_places_are_spread_evenly_and_never_change() -> None:
    places = [unit_interval(f"group {number}") for number in range(4000)]
    tenths = [sum(int(place * 10) == tenth for place in places) for tenth in range(10)]
    assert min(tenths) > 320
    assert max(tenths) < 480
    assert unit_interval("creator") == int(hashlib.sha256(b"creator").hexdigest()[:13], 16) / 16**13


def test_hashes_of_values_never_change_since_stores_are_keyed_by_them() -> None:
    value = {"b": [1, 2.5, None, True], "a": "é", "ä": {"y": "", "x": 0}}
    text = '{"a":"é","b":[1,2.5,null,true],"ä":{"x":0,"y":""}}'
    assert json_sha256(value) == hashlib.sha256(text.encode()).hexdigest()
    assert json_sha256([1, 2]) != json_sha256([2, 1])
    assert json_sha256(["ab", "c"]) != json_sha256(["a", "bc"])

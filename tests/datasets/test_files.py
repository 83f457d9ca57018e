import pytest
from kedro.io.core import DatasetError

from cu_pipeline.datasets.tables import EarlierJSON, EarlierText, Folder, TextFolder, TextTree


def test_a_folder_is_its_path_whether_it_exists_or_not(tmp_path):
    assert Folder(filepath=str(tmp_path / "log")).load() == tmp_path / "log"


def test_a_folder_is_not_written_through_the_catalog(tmp_path):
    with pytest.raises((DatasetError, NotImplementedError), match="written by the program that owns it"):
        Folder(filepath=str(tmp_path)).save("anything")


def test_an_earlier_text_is_empty_before_the_first_run(tmp_path):
    earlier = EarlierText(filepath=str(tmp_path / "page.html"))
    assert earlier.load() == ""
    earlier.save("<p>")
    assert earlier.load() == "<p>"


def test_what_an_earlier_run_left_as_json_is_read_and_nothing_where_it_left_none_or_half_of_it(tmp_path):
    place = tmp_path / "insights.json"
    earlier = EarlierJSON(filepath=str(place))
    assert earlier.load() == {}
    place.write_text('{"topic": {}')
    assert earlier.load() == {}
    earlier.save({"topic": {"errors": []}})
    assert earlier.load() == {"topic": {"errors": []}}


def test_a_folder_of_texts_holds_what_was_saved_last_and_nothing_else(tmp_path):
    dataset = TextFolder(filepath=str(tmp_path / "cards"))
    dataset.save({"a.md": "one", "b.md": "two"})
    dataset.save({"b.md": "three"})
    assert dataset.load() == {"b.md": "three"}
    assert [path.name for path in (tmp_path / "cards").iterdir()] == ["b.md"]


def test_a_tree_of_texts_keeps_what_is_not_named_and_removes_what_is_none(tmp_path):
    tree = TextTree(filepath=str(tmp_path / "tree"))
    assert tree.load() == frozenset()
    tree.save({"a/one.json": "1", "two.json": "2"})
    tree.save({"a/three.json": "3", "two.json": None, "gone.json": None})
    assert tree.load() == {"a/one.json", "a/three.json"}
    assert (tmp_path / "tree/a/one.json").read_text() == "1"

from pathlib import Path

import pytest

from cu_pipeline.tracking.project_feed import has_key, kept, tidied, with_feed

ROOT = Path("/work/project")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("clips.csv", "clips.csv"),
        ("/work/project/feeds/clips.csv", "feeds/clips.csv"),
        ("/work/project2/clips.csv", "/work/project2/clips.csv"),
        ("../clips.csv", "../clips.csv"),
        ("folder:/work/project/clips", "folder:clips"),
        ("webdataset:/work/project/x-{000..015}.tar", "webdataset:x-{000..015}.tar"),
        ("s3://bucket/work/project/clips.csv", "s3://bucket/work/project/clips.csv"),
        ("a.csv;/work/project/b.csv", ["a.csv", "b.csv"]),
        (["a.csv"], "a.csv"),
        (7, 7),
    ],
)
def test_a_feed_inside_the_project_is_written_from_its_folder(given: object, written: object) -> None:
    assert tidied(given, ROOT) == written


def test_what_conf_states_goes_before_what_was_given_last() -> None:
    recorded = {"collect": {"manifest": "own.csv", "clips": 9}}
    assert with_feed({"collect": {"clips": 1}}, recorded, ROOT) == {"collect": {"clips": 1, "manifest": "own.csv"}}
    assert with_feed({"collect": {"manifest": "b.csv"}}, recorded, ROOT) == {"collect": {"manifest": "b.csv"}}
    assert with_feed({"seed": 1}, {}, ROOT) == {"seed": 1}


@pytest.mark.parametrize(
    "place", ["https://h/a.csv?page=1&sig=af", "s3://me:pw@host/a", "https://h/a?X-Amz-Signature=1"]
)
def test_an_address_with_a_key_is_not_kept(place: str) -> None:
    assert has_key(place)
    assert kept(["own.csv", place]) is None


@pytest.mark.parametrize("place", ["https://h/a.csv?page=1", "https://h/a.csv?token={TOKEN}", "a.csv?key=1", "k:/x"])
def test_other_places_are_kept(place: str) -> None:
    assert kept(place) == place

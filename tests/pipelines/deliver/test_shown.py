"""What the service's page is given to show."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from cu_pipeline.datasets.samples import SampleClip, SampleFolder
from cu_pipeline.pipelines.deliver.shown import choose_samples, quality_of_served


def table(feed="sample"):
    rows = [(f"c{number}", f"media/c{number}.mp4", f"caption {number}", "test", feed) for number in range(9)]
    clips = pd.DataFrame(rows, columns=["clip_id", "path", "text", "split", "feed"])
    clips.loc[0, "split"] = "train"
    clips.loc[1, "text"] = ""
    clips.loc[2, "path"] = ""
    return clips


SAID = pd.DataFrame(
    {
        "clip_id": [f"c{number}" for number in range(9)] * 2,
        "capability": ["topic"] * 9 + ["safety"] * 9,
        "label": ["a"] * 3 + ["a", "a", "a", "b", "c", "c"] + ["none"] * 9,
    }
)


def test_samples_are_whole_test_clips_of_each_predicted_class_in_turn():
    chosen = choose_samples(table(), SAID)
    assert [one.caption for one in chosen] == [f"caption {number}" for number in (3, 6, 7, 4, 8, 5)]


def test_clips_of_other_feeds_are_shown_to_nobody():
    assert choose_samples(table("folder:/private"), SAID) == []


def test_the_folder_holds_what_was_chosen_last(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    folder = SampleFolder(filepath=str(tmp_path / "samples"))
    folder.save([SampleClip(str(tmp_path / "a.mp4"), "猫"), SampleClip(str(tmp_path / "b.mp4"), "b")])
    folder.save([SampleClip(str(tmp_path / "a.mp4"), "猫")])
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["a.mp4", "samples.json"]
    assert [one.caption for one in folder.load()] == ["猫"]
    folder.save([])
    assert json.loads((tmp_path / "samples/samples.json").read_text()) == []
    assert folder.load() == []


def measured(version, accuracy=0.9):
    test = {"accuracy": accuracy, "ci95": {"accuracy": [0.8, 0.95]}, "n": 71, "units": 16}
    return {"model_version": version, "test": test}


@pytest.mark.parametrize(
    ("version", "metrics", "earlier", "accuracy"),
    [
        ("new", measured("new"), {}, 0.9),
        ("old", measured("new"), {"topic": {"model_version": "old", "accuracy": 0.7}}, 0.7),
        ("old", measured("new"), {}, None),
        ("new", {"model_version": "new", "test": {"n": 0, "accuracy": None}}, {}, None),
    ],
)
def test_quality_is_told_of_the_very_model_that_is_served(version, metrics, earlier, accuracy):
    told = quality_of_served({"topic": SimpleNamespace(version=version)}, {"topic": metrics}, earlier)
    assert told.get("topic", {}).get("accuracy") == accuracy

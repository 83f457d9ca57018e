from dataclasses import replace

import pytest

from cu_pipeline.compute.worker_pool import LocalMapper
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.iterate.year.calendar import YEAR, Window
from cu_pipeline.iterate.year.feed import as_clips, window_uploads
from cu_pipeline.iterate.year.outcome import Told, WindowOutcome, Year
from cu_pipeline.iterate.year.page import year_page
from cu_pipeline.iterate.year.project import LOCAL, CommandError, Project
from cu_pipeline.sample.options import SampleOptions

POLICIES = ("the loop", "never retrain", "retrain every window")


def outcome(window, *, decision="no_drift", causes=(), right=0.9, spent=0.0):
    told = Told(decision, causes, "", "nothing", "1", (0.9, 0.8, 0.95), trusted=True)
    return WindowOutcome(
        window.number,
        window.title,
        window.cause,
        120,
        dict.fromkeys(POLICIES, right),
        dict.fromkeys(POLICIES, spent),
        told,
    )


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traffic")
    window = replace(YEAR[8], copies=6)
    return folder, window_uploads(folder, window, SampleOptions(clips=20, creators=10), 8, LocalMapper())


def test_copies_are_the_same_clips_by_accounts_that_post_nothing_else(burst):
    folder, uploads = burst
    originals, copies = uploads[:8], uploads[8:]
    assert len(copies) == 6
    assert {copy.path for copy in copies} <= {original.path for original in originals}
    assert not {copy.creator for copy in copies} & {original.creator for original in originals}
    assert len({copy.text for copy in copies}) == 6
    rows = as_clips(uploads, folder)
    assert rows["clip_id"].is_unique
    assert rows["media_sha256"].nunique() == 8
    assert (rows["topic"] != "").all()


def test_lost_captions_leave_the_rest_of_a_clip_as_it_is(burst):
    folder, uploads = burst
    lost = window_uploads(
        folder, replace(YEAR[8], copies=0, captions=False), SampleOptions(clips=20, creators=10), 8, LocalMapper()
    )
    assert [one.path for one in lost] == [one.path for one in uploads[:8]]
    assert {one.text for one in lost} == {""}
    assert set(as_clips(lost, folder)["text_sha256"]) == {""}


def test_alarms_are_counted_by_what_was_new():
    quiet, style = Window(1, "quiet"), Window(2, "a new style", cause="new_style")
    year = Year(
        "the loop",
        (
            outcome(quiet, decision="drift", causes=("mix",), right=0.5),
            outcome(style, decision="drift", causes=("mix",), spent=1.0),
            outcome(replace(style, number=3), decision="drift", causes=("new_style", "mix"), spent=2.0),
            outcome(replace(style, number=4), spent=2.0),
        ),
        60.0,
    )
    assert [one.number for one in year.false_alarms()] == [1]
    assert [one.number for one in year.found()] == [2, 3]
    assert [one.number for one in year.named()] == [3]
    assert year.mean_accuracy("the loop") == pytest.approx(0.8)
    assert year.spent("the loop") == 2.0


def test_the_page_tells_policies_windows_and_what_is_not_trusted():
    told = Told("drift", ("new_topic",), "", "promoted", "2", (0.8, 0.7, 0.9), trusted=False)
    windows = (outcome(YEAR[0]), replace(outcome(YEAR[6], spent=3.2), told=told))
    page = year_page(Year("the loop", windows, 60.0))
    assert "drift: new topic" in page
    assert "0.700 to 0.900, not trusted" in page
    assert "$3.20" in page
    assert page.count("<img") == 2


def test_a_project_of_its_own_has_code_and_configuration_and_no_data(tmp_path, project_root):
    project = Project.create(project_root, tmp_path / "own", {"train": {"family": "linear"}})
    assert (project.root / LOCAL).read_text() == "train:\n  family: linear\n"
    assert (project.root / "src/cu_pipeline/settings.py").is_file()
    assert not (project.root / "data").exists()
    with pytest.raises(ConfigurationError, match="is not empty: remove it, or give another --folder"):
        Project.create(project_root, tmp_path / "own", {})
    with pytest.raises(CommandError, match=r"(?s)`kedro nonsense` ended with 2.*No such command"):
        project.kedro("nonsense")


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"has no .*pyproject.toml"):
        Project.create(tmp_path / "nothing", tmp_path / "own", {})

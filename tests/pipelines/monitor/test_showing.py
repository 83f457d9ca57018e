import json

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from tests.drift_files import TOPICS, clips_told, drift_told

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import CLIPS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.tables import EarlierJSON, EarlierText, Folder, JSONFile, TextFile, TextTree
from cu_pipeline.drift.options import HistoryOptions
from cu_pipeline.inference.prediction_log.traffic import Traffic
from cu_pipeline.pipelines.monitor.pipeline import create_pipeline
from cu_pipeline.reports.evidently_workspace import NAME, PROJECT, snapshot_id

NODES = ("find_drift_columns", "picture_causes", "remember_look", "show_drift")


def catalog(folder, drift, most):
    page, history, workspace = (str(folder / name) for name in ("drift.html", "history.json", "evidently"))
    nothing = {} if drift["tests"] else {"table": clips_told(0).reindex(columns=clips_told(1).columns)}
    traffic = {"table": clips_told(60, shift=0.9, seed=2)} | nothing
    return DataCatalog(
        {
            "drift": MemoryDataset(drift),
            "references": MemoryDataset({"topic": clips_told(120, seed=1)}),
            "traffic": MemoryDataset(Traffic(requests=60, invalid=0, other=0, replays=0, skipped=0, **traffic)),
            "capabilities_resolved": MemoryDataset(ResolvedCapabilities({"topic": Capability(classes=TOPICS)})),
            "clips": MemoryDataset(table([], CLIPS)),
            "label_summary": MemoryDataset({"money": {"total": {"usd": 2.5}}}),
            "params:monitor.history": MemoryDataset(HistoryOptions(most=most)),
            "params:compute": MemoryDataset(ComputeOptions(workers=1)),
            "drift_captures": Folder(filepath=str(folder / "capture")),
            "thumbnails": Folder(filepath=str(folder / "thumbnails")),
            "drift_report": TextFile(filepath=page),
            "earlier_drift_report": EarlierText(filepath=page),
            "drift_history": JSONFile(filepath=history),
            "earlier_drift_history": EarlierJSON(filepath=history),
            "drift_workspace": TextTree(filepath=workspace),
            "earlier_drift_workspace": TextTree(filepath=workspace),
        }
    )


def run(folder, drift, most=60):
    counters.reset()
    shown = create_pipeline().filter(node_names=NODES)
    assert isinstance(shown, Pipeline)
    SequentialRunner().run(shown, catalog(folder, drift, most))
    return counters.counts()["drift_pages_made"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Give a folder with three looks of which the last two are kept."""
    folder = tmp_path_factory.mktemp("shown")
    for number, decision in enumerate(("no_drift", "drift", "no_drift"), 1):
        assert run(folder, drift_told(decision, number=number), most=2) == 1
    return folder


@pytest.mark.filterwarnings("ignore")  # of Evidently's own libraries
def test_the_workspace_opens_in_evidently_with_the_looks_that_are_kept(shown):
    from evidently.ui.workspace import Workspace

    workspace = Workspace.create(str(shown / "evidently"))
    (project,) = workspace.list_projects()
    assert (project.id, project.name) == (PROJECT, NAME)
    assert set(workspace.list_runs(PROJECT)) == {snapshot_id("look2"), snapshot_id("look3")}
    looks = json.loads((shown / "history.json").read_text())["looks"]
    assert [(look["id"], look["spent_usd"]) for look in looks] == [("look2", 2.5), ("look3", 2.5)]
    panels = {panel.title: panel for panel in project.dashboard.model().panels}
    assert {"Smallest adjusted p-value", "Effects by test", "Estimated quality", "Spent on labels"} <= set(panels)
    drawn = {value.metric_labels["name"] for value in panels["Effects by test"].values}
    assert {"fact_duration_s", "label_topic", "novelty_frames"} <= drawn


@pytest.mark.filterwarnings("ignore")
def test_evidentlys_tests_tell_the_decision_of_the_look(shown):
    from evidently.core.report import Snapshot

    snapshot = Snapshot.load(shown / "evidently" / str(PROJECT) / "snapshots" / f"{snapshot_id('look2')}.json")
    found = snapshot.dict()
    values = {
        (metric["config"]["type"].rpartition(":")[2], metric["config"].get("name")): metric["value"]
        for metric in found["metrics"]
    }
    assert values["DriftNumber", "tests that declare drift"] == 3
    assert values["DriftPValue", "fact_duration_s"] == 0.006
    assert values["DriftEffect", "fact_duration_s since decision"] == 0.04
    assert values["EstimatedQuality", "topic, low"] == 0.6
    assert values["DriftDeclared", "missing_caption"] == 0
    states = {test["metric_config"]["params"]["name"]: test["status"].value for test in found["tests"]}
    failed = {name for name, state in states.items() if state == "FAIL"}
    assert failed == {"tests that declare drift", "fact_duration_s", "label_topic", "novelty_frames"}
    assert states["all clear"] == "WARNING"
    assert "RowCount" in {kind for kind, _ in values}, "its presets stand beside"


def test_the_same_look_is_not_shown_again(shown):
    before = {path: path.read_bytes() for path in shown.rglob("*") if path.is_file()}
    assert run(shown, drift_told("no_drift", number=3), most=2) == 0
    assert {path: path.read_bytes() for path in shown.rglob("*") if path.is_file()} == before


def test_the_page_carries_evidentlys_report_and_loads_nothing(tmp_path, foreign_loads):
    run(tmp_path, drift_told())
    page = (tmp_path / "drift.html").read_text()
    assert foreign_loads(page) == []
    assert "adjusted by Holm" in page, "Evidently's columns show our adjusted p-values"
    assert "</script><b>" not in page, "class names are foreign text"


def test_a_workspace_that_was_deleted_is_made_again(shown, tmp_path):
    drift = drift_told("no_drift", number=3)
    (tmp_path / "drift.html").write_bytes((shown / "drift.html").read_bytes())
    assert run(tmp_path, drift) == 1
    assert (tmp_path / "evidently" / str(PROJECT) / "dashboard.json").is_file()


@pytest.mark.parametrize("time", [None, "2026-03-04T12:00:00+00:00"])
def test_where_nothing_was_tested_there_is_a_page_and_nothing_in_evidently(tmp_path, time):
    drift = drift_told("not_enough_data", windows=[])
    drift["look"]["time"] = time
    assert [run(tmp_path, drift), run(tmp_path, drift)] == [1, 0]
    page = (tmp_path / "drift.html").read_text()
    assert "<iframe" not in page
    assert "Evidently's report" not in page.partition("<main")[2]
    assert ("There was no look yet" in page) is (time is None)
    assert list((tmp_path / "evidently").iterdir()) == []

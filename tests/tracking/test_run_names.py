import json
from pathlib import Path

import pytest

from cu_pipeline.tracking import mlflow_run
from cu_pipeline.tracking.run_names import Before, before, data_changes, parameter_changes, run_name
from cu_pipeline.tracking.run_note import note, results
from cu_pipeline.tracking.run_parameters import FILE, as_yaml
from cu_pipeline.tracking.snapshots import FILE_NAME, Snapshot

OLD = Before(8, "abc", "7 first run", {"train.family": "linear", "seed": "1"}, {"git.commit": "c1", "snapshot": "s1"})


def name(params: dict[str, str], *, data: dict[str, int] | None = None, commit: str = "c1") -> str:
    return run_name("lifecycle", {"git.commit": commit}, parameter_changes(params, OLD), data or {}, OLD)


@pytest.mark.parametrize(
    ("params", "data", "commit", "expected"),
    [
        ({"train.family": "linear", "seed": "2"}, {}, "c1", "8 seed 2"),
        ({"a.note": "x", "train.family": "linear", "seed": "2"}, {}, "c1", "8 seed 2, a note x"),
        ({"train.family": "linear", "seed": "1"}, {"clips": 1200, "labels": -3}, "c1", "8 clips +1,200, labels -3"),
        ({"train.family": "linear", "seed": "1"}, {"clips": 0, "labels": 0}, "c1", "8 other data"),
        ({"train.family": "linear", "seed": "1"}, {}, "c2", "8 code c2"),
        ({"train.family": "linear", "seed": "1"}, {}, "c1", "8 unchanged"),
        ({"train.family": "linear"}, {}, "c1", "8 without seed"),
        ({"train.family": "fusion", "seed": "1", "train.fusion.epochs": "9"}, {}, "c1",
         "8 train family fusion, fusion epochs 9"),
    ],
)  # fmt: skip
def test_a_run_is_called_by_what_differs(params, data, commit, expected):
    assert name(params, data=data, commit=commit) == expected


def test_many_changes_are_counted_and_long_values_cut():
    changes = {f"a.b{number}": ("1", "x" * 99) for number in range(4)}
    assert run_name("train", {}, changes, {}, OLD) == f"8 a b0 {'x' * 20}…, a b1 {'x' * 20}…, 2 more (train)"


def test_the_data_are_compared_by_their_snapshots(tmp_path: Path):
    shots = [Snapshot({"clips": str(number)}, counts={"clips": 10 * number, "labels": 5}) for number in (1, 2)]
    lines = [json.dumps({"tables": dict(one.tables), "counts": dict(one.counts)}) + "\n" for one in shots]
    (tmp_path / FILE_NAME).write_text("".join(lines))
    earlier = Before(2, "abc", "1 first run", {}, {"snapshot": shots[0].id})
    assert data_changes(tmp_path, {"snapshot": shots[1].id}, earlier) == {"clips": 10, "labels": 0}
    assert data_changes(tmp_path, {"snapshot": shots[0].id}, earlier) == {}
    assert data_changes(tmp_path, {}, earlier) == {}


def test_runs_are_numbered_and_compared_with_the_last_that_ended_well(tracked_root: Path):
    assert before(tracked_root) == Before()
    for status, seed in (("FINISHED", "1"), ("FAILED", "2")):
        earlier = before(tracked_root)
        called = run_name("lifecycle", {}, {}, {}, earlier)
        mlflow_run.start(tracked_root, called, {mlflow_run.PIPELINE: "lifecycle"} | earlier.links())
        mlflow_run.log_text(as_yaml({"seed": int(seed), "report": {"title": "Clips"}}), FILE)
        mlflow_run.finish(status)
    third = before(tracked_root)
    assert (third.number, third.name, third.params) == (3, "1 first run", {"seed": "1", "report.title": "Clips"})


def test_what_an_earlier_version_of_the_package_logged_is_not_compared(tracked_root: Path):
    mlflow_run.start(tracked_root, "lifecycle", {mlflow_run.PIPELINE: "lifecycle"})
    mlflow_run.log_params({"collect.manifest": "['sample']"})
    mlflow_run.finish("FINISHED")
    earlier = before(tracked_root)
    assert earlier.params is None
    assert parameter_changes({"collect.manifest": "sample"}, earlier) == {}


def test_the_page_of_a_run_tells_what_differs_and_where_the_data_are():
    tags = {"snapshot": "s2", "git.commit": "c2"}
    text = note("1", tags, OLD, {"seed": ("1", "2")}, {"clips": 120, "labels": 0})
    assert "**Since [7 first run](#/experiments/1/runs/abc):** `seed` 1 → 2; clips +120; code `c2`\n" in text
    assert "`kedro snapshots diff s1 s2`" in text
    assert note("1", {}, Before(), {}, {}) == ""


def test_the_page_of_a_run_tells_what_came_out():
    metrics = {"food-drink-88c42d8b39/test/accuracy": 0.5, "food-drink-88c42d8b39/test/best_baseline": 0.4}
    gate = {"food & drink": {"decision": "keep", "reasons": ["it is not shown to be better"]}}
    text = results(metrics, gate, ["food & drink"])
    assert text == (
        "- **food & drink**: test accuracy 0.500, best baseline's accuracy 0.400, "
        "not promoted: it is not shown to be better"
    )

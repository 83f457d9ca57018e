import json
from pathlib import Path
from typing import Any

import pytest

from cu_pipeline.tracking.reproduction import comparison
from cu_pipeline.tracking.reproduction.environment import Environment
from cu_pipeline.tracking.reproduction.record import DataUsed, RunRecord, StageData

METRICS = "data/metrics.json"
MODELS = "data/models"


def record(metrics: str, *, model: str = "a1", threads: str = "2", report: str = "r", **more: Any) -> RunRecord:
    writes = {METRICS: metrics, MODELS: model, "data/report.html": report}
    data = DataUsed(
        stages={"train": StageData(writes=writes)},
        bundles={"topic": model},
        bundles_at=MODELS,
        measured=[METRICS],
        **more,
    )
    return RunRecord(parameters={}, data=data, environment=Environment(facts={"torch threads": threads}))


@pytest.fixture
def compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that compares two records, with the content of the file of metrics of each."""

    def ask(before: RunRecord, now: RunRecord, measured: Any, measured_now: Any) -> comparison.Comparison:
        def bring(_: Path, target: Path, wanted: Any) -> dict[str, str]:
            write(target, measured)
            return {}

        monkeypatch.setattr("cu_pipeline.tracking.reproduction.contents.bring", bring)
        write(tmp_path, measured_now)
        return comparison.compare(tmp_path, tmp_path, before, now)

    return ask


def write(root: Path, content: Any) -> None:
    (root / METRICS).parent.mkdir(parents=True, exist_ok=True)
    (root / METRICS).write_text(json.dumps(content))


def test_equal_models_and_measurements_are_identical_though_a_page_and_a_time_differ(compare: Any) -> None:
    slow, fast = ({"topic": {"accuracy": 0.5, "candidates": [{"loss": 1.0, "seconds": took}]}} for took in (9, 2))
    found = compare(record("m1"), record("m2", report="s"), slow, fast)
    assert found.identical
    assert "2 measured values: all equal" in str(found)
    assert "data/report.html" in str(found)


@pytest.mark.parametrize(("page", "data", "identical"), [("s", "m1", True), ("r", "m2", False)])
def test_of_a_run_that_trained_and_measured_nothing_all_but_pages_decides(
    compare: Any, page: str, data: str, identical: bool
) -> None:
    nothing: dict[str, Any] = {"measured": [], "bundles": {}, "bundles_at": "", "pages": ["data/report.html"]}
    before, now = (
        RunRecord(parameters={}, data=one.data.model_copy(update=nothing), environment=one.environment)
        for one in (record("m1"), record(data, report=page))
    )
    assert compare(before, now, {}, {}).identical == identical


def test_a_model_of_another_hash_is_different_and_what_differs_of_the_machine_is_named(compare: Any) -> None:
    same = {"topic": {"accuracy": 0.5}}
    found = compare(record("m1"), record("m1", model="b2", threads="1"), same, same)
    assert not found.identical
    assert "model topic: a1, now b2" in str(found)
    assert "torch threads: 2, now 1" in str(found)


def test_numbers_that_differ_are_named_with_the_farthest_first(compare: Any) -> None:
    before, now = ({"topic": {"version": name, "loss": 1.5, "accuracy": a}} for name, a in (("a1", 0.5), ("b2", 0.75)))
    found = compare(record("m1"), record("m2"), before, now)
    assert not found.identical
    said = str(found)
    assert "2 of 3 measured values differ, numbers by at most 0.25:" in said
    assert said.index("metrics.topic.accuracy: 0.5, now 0.75") < said.index("metrics.topic.version: a1, now b2")
    assert "Nothing that is recorded of machine, threads, device and packages differs" in str(found)


def test_a_model_that_is_no_longer_made_is_different(compare: Any) -> None:
    now = record("m1")
    now.data.bundles.clear()
    assert not compare(record("m1"), now, {}, {}).identical


def test_code_that_was_too_large_to_be_kept_is_told(compare: Any) -> None:
    assert "code that no commit has" in str(compare(record("m1", code_changed=True), record("m1"), {}, {}))

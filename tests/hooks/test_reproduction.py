"""What a run's record says of its data, for nodes and files whose hashes are known."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.pipeline import Node, Pipeline

from cu_pipeline.hooks.reproduction import ReproductionHooks
from cu_pipeline.hooks.run_state import Run, RunState
from cu_pipeline.tracking.catalog_files import CatalogFile
from cu_pipeline.tracking.dvc_lock import dvc_md5
from cu_pipeline.tracking.reproduction.record import RunRecord

FILES = {
    "clips": ("clips.csv", True, "Table"),
    "earlier_log": ("log.jsonl", False, "Log"),
    "log": ("log.jsonl", True, "Log"),
    "model_cache": ("model", False, "Bundles"),
    "model": ("model", True, "Bundles"),
    "call_cache": ("calls.jsonl", False, "CallLogDataset"),
    "calls": ("calls.jsonl", True, "CallLogDataset"),
    "champions_of_before": ("champions", False, "Bundles"),
    "champions": ("champions", True, "Bundles"),
    "probes": ("probes.jsonl", False, "Log"),
}
PARAMETERS = {"seed": 3, "collect": {"manifest": ["https://me:pass@host/a.csv?token=7f", "clips.csv"]}}
READS = ["clips", "earlier_log", "model_cache", "call_cache", "champions_of_before", "probes"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a run that reads its own earlier log and writes it anew, with a cache, paid answers and served models."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for name in ("clips.csv", "log.jsonl", "calls.jsonl", "probes.jsonl", "model", "champions"):
        (tmp_path / name).write_text("before\n")
    pipeline = Pipeline([Node(lambda *_: (1, 2, 3), READS, ["log", "model", "calls"], name="work")])
    context: Any = SimpleNamespace(project_path=tmp_path, config_loader={"parameters": PARAMETERS})
    files = {name: CatalogFile(path, tracked, False, kind) for name, (path, tracked, kind) in FILES.items()}
    return Run(context, pipeline, {"stage": {"work"}}, files, "stage")


@pytest.fixture
def record(run: Run, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """Give what the run leaves, when it has changed what it writes."""
    left: list[RunRecord] = []

    def log(record: RunRecord) -> None:
        left.append(record)

    monkeypatch.setattr(RunRecord, "log", log)
    state = RunState()
    state.run = run
    hooks = ReproductionHooks(state)
    hooks.before_pipeline_run()
    for name in ("log.jsonl", "model", "calls.jsonl"):
        (run.root / name).write_text("after\n")
    run.done.append("work")
    hooks.after_pipeline_run()
    return left[0]


def of(root: Path, text: str) -> str:
    (root / "known").write_text(text)
    return str(dvc_md5(root / "known"))


def test_what_a_run_replaces_or_others_do_is_recorded_as_it_was_before(run: Run, record: RunRecord) -> None:
    before = of(run.root, "before\n")
    assert record.data.stages["stage"].earlier == {"log.jsonl": before, "champions": before}
    assert {name: md5 for name, md5 in run.tags.items() if "before" in name} == {
        "dvc.before.log.jsonl": before,
        "dvc.before.champions": before,
    }


def test_paid_answers_are_read_as_the_run_left_them_and_what_saves_work_is_not_read_again(
    run: Run, record: RunRecord
) -> None:
    before, after = of(run.root, "before\n"), of(run.root, "after\n")
    assert record.data.stages["stage"].reads == {"clips.csv": before, "calls.jsonl": after}
    assert record.data.stages["stage"].writes == {"log.jsonl": after, "model": after, "calls.jsonl": after}


def test_the_record_has_all_parameters_but_keys_and_the_environment(record: RunRecord) -> None:
    assert record.parameters["seed"] == 3
    address, path = record.parameters["collect"]["manifest"]
    assert "host/a.csv" in address
    assert "pass" not in address
    assert "7f" not in address
    assert path == "clips.csv"
    assert {"python", "cpu", "OMP_NUM_THREADS"} <= record.environment.facts.keys()
    assert "numpy" in record.environment.packages

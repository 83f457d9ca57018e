"""`kedro metrics`."""

import json
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from tests.project_files import full_project

from cu_pipeline.cli.metrics import metrics

SERVE = """
import sys
from types import SimpleNamespace
from cu_pipeline.cli.metrics import metrics
metrics(["--port", sys.argv[2]], obj=SimpleNamespace(project_path=sys.argv[1]))
"""


def typed(root: Path, *words: str):
    return CliRunner().invoke(metrics, words, obj=SimpleNamespace(project_path=str(root)))


def values(text: str) -> dict[tuple[str, ...], float]:
    """Metric's name and its labels' values, sorted by label -> value."""
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_all_that_a_project_knows_is_told(tmp_path):
    found = values(typed(full_project(tmp_path)).output)
    expected = {
        ("cu_pipeline_drift_decision", "drift"): 1,
        ("cu_pipeline_drift_decision", "no_drift"): 0,
        ("cu_pipeline_estimated_accuracy", "low", "topic"): 0.85,
        ("cu_pipeline_estimate_trusted", "topic"): 1,
        ("cu_pipeline_test_accuracy", "high", "topic"): 0.9,
        ("cu_pipeline_label_spend_dollars",): 1.5,
        ("cu_pipeline_labels", "topic", "certified"): 3,
        ("cu_pipeline_rejected_clips", "missing"): 2,
        ("cu_pipeline_clips", "train"): 5,
        ("cu_pipeline_iterations_total", "promoted"): 1,
        ("cu_pipeline_iterations_total", "failed"): 0,
        ("cu_pipeline_iteration_dollars_total",): 4.5,
        ("cu_pipeline_iterate_failed_calls",): 2,
        ("cu_pipeline_iteration_status", "waiting"): 1,
        ("cu_pipeline_iteration_status", "running"): 0,
        ("cu_pipeline_champion_changes_total", "topic", "gate"): 2,
        ("cu_pipeline_champion_changes_total", "topic", "rollback"): 0,
        ("cu_pipeline_files_unreadable", "drift.json"): 0,
    }
    assert {name: found.get(name) for name in expected} == expected
    causes = {name: value for name, value in found.items() if name[0] == "cu_pipeline_drift_cause_share"}
    assert [name[1] for name in causes] == ["new_style"]


def test_a_project_that_never_ran_tells_that_no_iteration_ended(tmp_path):
    done = typed(tmp_path)
    assert done.exit_code == 0
    found = values(done.output)
    assert found["cu_pipeline_iterations_total", "failed"] == found["cu_pipeline_iteration_dollars_total",] == 0
    assert found["cu_pipeline_iterate_failed_calls",] == 0
    assert set(found.values()) == {0}


def test_what_iterations_promised_in_30_days_is_told_whatever_they_promised_before(tmp_path):
    full_project(tmp_path)
    log = tmp_path / "data/08_reporting/iterations.jsonl"
    (line,) = log.read_text().splitlines()
    told = []
    for days in (29, 31):
        began = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        told.append(json.dumps(json.loads(line) | {"number": len(told) + 1, "started": began}))
    log.write_text("\n".join(told) + "\n")
    found = values(typed(tmp_path).output)
    assert found["cu_pipeline_iteration_dollars_total",] == 9.0
    assert found["cu_pipeline_iteration_dollars_month",] == 4.5


@pytest.mark.parametrize(
    "place", ["08_reporting/drift.json", "08_reporting/metrics.json", "06_models/promotions.jsonl"]
)
def test_a_damaged_file_is_counted_and_the_others_are_told(tmp_path, place):
    path = full_project(tmp_path) / "data" / place
    path.write_text("{\n")
    found = values(typed(tmp_path).output)
    assert found["cu_pipeline_files_unreadable", path.name] == 1
    assert ("cu_pipeline_file_timestamp_seconds", path.name) not in found
    assert found["cu_pipeline_label_spend_dollars",] == 1.5


def test_a_file_for_node_exporter_is_written(tmp_path):
    place = tmp_path / "textfile" / "project.prom"
    assert typed(full_project(tmp_path), "--output", str(place)).exit_code == 0
    assert values(place.read_text())["cu_pipeline_label_spend_dollars",] == 1.5
    assert [one.name for one in place.parent.iterdir()] == ["project.prom"]


def test_they_are_served_anew_at_each_scrape(tmp_path):
    full_project(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", SERVE, str(tmp_path), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f":{port}/metrics" in process.stdout.readline()
            deadline = time.monotonic() + 10

            def scraped() -> dict[tuple[str, ...], float]:
                with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                    return values(answer.read().decode())

            assert scraped()["cu_pipeline_clips", "train"] == 5
            (tmp_path / "data/02_intermediate/feed_checks.json").write_text('{"splits": {"train": {"clips": 6}}}')
            assert scraped()["cu_pipeline_clips", "train"] == 6
            taken = typed(tmp_path, "--port", str(port))
            assert taken.exit_code == 1
            assert "give another --port" in taken.output
            assert time.monotonic() < deadline
        finally:
            process.kill()


def test_one_way_at_a_time(tmp_path):
    done = typed(tmp_path, "--output", str(tmp_path / "a"), "--port", "9108")
    assert done.exit_code == 2
    assert "give one of them" in done.output

"""A project's files as its runs leave them, small: what `kedro metrics` reads."""

import json
from dataclasses import asdict
from pathlib import Path

from tests.drift_files import cause_told, drift_told, one_test

from cu_pipeline.core.atomic import write_text
from cu_pipeline.iterate.ledger import IterationLine


def full_project(root: Path) -> Path:
    """Write each file that is read; gives the root."""
    quality = {"accuracy": 0.9, "low": 0.85, "high": 0.95, "method": "calibrated confidence", "clips": 40, "audits": 0}
    told = drift_told(
        decision="drift",
        tests=[one_test("label_topic", drifted=True)],
        causes=[cause_told("new_style")],
        quality={"topic": {**quality, "trusted": True, "why": ""}},
    )
    test = {"accuracy": 0.8, "ci95": {"accuracy": [0.7, 0.9]}}
    line = IterationLine(1, "2026-11-01T00:00:00+00:00", "2026-11-01T01:00:00+00:00", "retrain", "promoted", "better")
    began = "2026-11-02T00:00:00+00:00"
    iteration = {
        "format": 1,
        "number": 2,
        "started": began,
        "trigger": "",
        "status": "waiting",
        "reason": "labels",
        "upcoming": "wait_for_people",
        "steps": [],
        "run_id": "",
        "spent_usd": 0.0,
    }
    failed = {"format": 1, "calls": 2, "since": began, "last": began, "error": "no server"}
    promotion = {"capability": "topic", "cause": "gate"}
    files: dict[str, object] = {
        "data/08_reporting/drift.json": told,
        "data/08_reporting/metrics.json": {"topic": {"test": test}},
        "data/08_reporting/label_summary.json": {
            "money": {"total": {"usd": 1.5}},
            "capabilities": {"topic": {"labels": 7, "certified": 3}},
        },
        "data/02_intermediate/feed_checks.json": {"splits": {"train": {"clips": 5}, "test": {"clips": 2}}},
        "data/08_reporting/iteration.json": iteration,
        "data/08_reporting/iterate_failed_calls.json": failed,
    }
    for place, content in files.items():
        write_text(root / place, json.dumps(content))
    write_text(
        root / "data/08_reporting/iterations.jsonl", json.dumps(asdict(line) | {"cost": {"committed_usd": 4.5}}) + "\n"
    )
    write_text(root / "data/06_models/promotions.jsonl", json.dumps(promotion) + "\n" + json.dumps(promotion) + "\n")
    write_text(
        root / "data/08_reporting/rejects.csv", "clip_id,path,reason,detail\na,a.mp4,missing,\nb,b.mp4,missing,\n"
    )
    return root

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from cu_pipeline.compute.engine import ComputeOptions
from cu_pipeline.core import counters
from cu_pipeline.core.capability import Capability
from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.core.resolved import ResolvedCapabilities
from cu_pipeline.datasets.logs import PredictionLogPlace
from cu_pipeline.datasets.objects import JSONObjectLog
from cu_pipeline.datasets.tables import EarlierJSON, EarlierText, Folder, JSONFile, TextFile, TextTree
from cu_pipeline.drift.looks import Look
from cu_pipeline.drift.options import DriftOptions, HistoryOptions
from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding
from cu_pipeline.pipelines.monitor.causes import gather_notices
from cu_pipeline.pipelines.monitor.nodes import compare_with_references, read_traffic, report_drift
from cu_pipeline.pipelines.monitor.pipeline import create_pipeline

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
OPTIONS = DriftOptions(permutations=299)
PARTS = {"frames@1a": 4, "captions@2b": 2}
LOOK = "cu_pipeline.drift.looks.Look"
DELIVERY = {"capabilities": {"topic": {"version": "1", "alias": "champion", "model_version": "aaa"}}}
RESOLVED = ResolvedCapabilities({"topic": Capability(classes=("</script><b>", "dogs"))})


def answer(rng, longer=0.0):
    p = rng.uniform(0.05, 0.95)
    probabilities = {"</script><b>": p, "dogs": 1 - p}
    facts = {"duration_s": float(rng.exponential(2) + longer), "width": 720.0, "height": 1280.0, "fps": 25.0}
    facts |= {"bytes": float(rng.integers(1, 10**6)), "text_length": float(rng.poisson(20))}
    return probabilities, facts, rng.normal(size=6)


def reference(n=60, seed=1, version="aaa"):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(2 * n):
        probabilities, facts, vector = answer(rng)
        label = max(probabilities, key=probabilities.get)
        row = {
            "clip_id": str(number),
            "split": "train" if number < n else "validation",
            "content": f"r{number}",
            "embedding": vector.tolist(),
        }
        row |= facts | {"predictions": json.dumps({"topic": probabilities}), "labels": json.dumps({"topic": label})}
        rows.append(row | {"parts": json.dumps(PARTS), "versions": json.dumps({"topic": version})})
    return pd.DataFrame(rows)


SERVED = SimpleNamespace(version="aaa", reference=SimpleNamespace(table=reference))
"""As a bundle is that tells what it learned from."""


def serve(folder, n=40, seed=2, version="aaa", longer=0.0, start=NOON, replay=False):
    rng = np.random.default_rng(seed)
    log = PredictionLog.open(str(folder), LogOptions(retention_days=36_500))
    for number in range(n):
        probabilities, facts, vector = answer(rng, longer)
        log.append(
            PredictionRecord(
                time=start + timedelta(seconds=number),
                request_id=f"{seed}-{number}-{start.isoformat()}",
                labels={"topic": max(probabilities, key=probabilities.get)},
                probabilities={"topic": probabilities},
                versions={"topic": version},
                embedding=encode_embedding(vector),
                parts=PARTS,
                facts=facts,
                replay=replay,
            )
        )
    log.close()


def by_creators(folder, creators, told):
    """Serve five clips of each of some creators, whose clips are alike."""
    log = PredictionLog.open(str(folder), LogOptions(retention_days=36_500))
    for creator in creators:
        own = np.random.default_rng([9, creator])
        style, length = own.normal(size=6), own.uniform(1, 9)
        for number in range(5):
            rng = np.random.default_rng([8, creator, number])
            probabilities, facts, vector = answer(rng)
            log.append(
                PredictionRecord(
                    time=NOON + timedelta(seconds=number),
                    request_id=f"{creator}-{number}",
                    labels={"topic": max(probabilities, key=probabilities.get)},
                    probabilities={"topic": probabilities},
                    versions={"topic": "aaa"},
                    embedding=encode_embedding(style + vector / 9),
                    parts=PARTS,
                    facts=facts | {"duration_s": length},
                    creator=f"creator {creator}" if told else "",
                    text_sha256=f"{creator}-{number}",
                )
            )
    log.close()


def as_reference(folder):
    """A reference of the clips that a log has."""
    found = read_traffic(folder, DELIVERY, OPTIONS).table
    return found.assign(clip_id=found.index.astype(str), split="train", versions=json.dumps({"topic": "aaa"}))


def test_new_creators_of_the_same_population_are_no_drift(tmp_path):
    by_creators(tmp_path / "before", range(30), told=True)
    before = as_reference(tmp_path / "before")
    for told, decision in ((True, "no_drift"), (False, "drift")):
        folder = tmp_path / f"told {told}"
        by_creators(folder, range(100, 116), told)
        drift = monitor(folder, table=before if told else before.assign(group=""))
        assert drift["decision"] == decision
        assert drift["current"]["units"] == (16 if told else 80)
    told = monitor(tmp_path / "told True", table=before)
    assert told["references"] == {"topic": {"versions": ["aaa"], "clips": 150, "units": 30}}
    assert "of 16 creators or contents" in told["summary"]


def monitor(folder, options=OPTIONS, table=None, seed=7, looks=()):
    """Run the nodes but the page; looks are added to `looks` where it is a list."""
    traffic = read_traffic(folder, DELIVERY, options)
    references = {"topic": reference() if table is None else table}
    comparison, kept = compare_with_references(references, traffic, DELIVERY, RESOLVED, options, seed, tuple(looks))
    if isinstance(looks, list):
        looks += kept
    told = gather_notices(folder, DELIVERY, traffic, {})
    return report_drift(references, traffic, comparison, options, notices=told)


def test_the_seed_of_the_project_draws_the_permutations(tmp_path):
    serve(tmp_path)
    first, again, other = (monitor(tmp_path, seed=seed) for seed in (7, 7, 8))
    assert first == again
    assert [test["p_value"] for test in first["tests"]] != [test["p_value"] for test in other["tests"]]
    assert first["inputs_sha256"] != other["inputs_sha256"]


def test_traffic_like_the_reference_is_no_drift(tmp_path):
    serve(tmp_path)
    drift = monitor(tmp_path)
    assert (drift["decision"], drift["all_clear"], drift["notices"]) == ("no_drift", True, [])
    assert drift["current"]["n"] == 40
    assert drift["current"]["from"] == "2026-03-04T12:00:00+00:00"
    json.dumps(drift, allow_nan=False)


def test_longer_clips_are_drift_and_named_in_the_summary(tmp_path):
    serve(tmp_path, longer=5.0)
    drift = monitor(tmp_path)
    assert drift["decision"] == "drift"
    assert "duration s (" in drift["summary"]


def test_the_same_clips_sent_again_are_no_new_evidence(tmp_path):
    serve(tmp_path, n=15)
    serve(tmp_path, n=15, start=NOON + timedelta(hours=1))
    drift = monitor(tmp_path)
    assert drift["decision"] == "not_enough_data"
    assert (drift["current"]["n"], drift["current"]["requests"]) == (15, 30)
    assert "5 more" in drift["summary"]


def test_an_absent_log_is_not_enough_data(tmp_path):
    drift = monitor(tmp_path / "nowhere")
    assert drift["decision"] == "not_enough_data"
    assert drift["current"]["from"] is None


def test_answers_of_earlier_models_do_not_count(tmp_path):
    serve(tmp_path, version="bbb")
    drift = monitor(tmp_path)
    assert "its latest 40 of 40 answers are by bbb" in drift["notices"][0]
    assert drift["current"] == {
        "n": 0,
        "units": 0,
        "known_units": 0,
        "requests": 0,
        "from": None,
        "to": None,
        "invalid_lines": 0,
        "other_records": 40,
        "replays": 0,
        "sampled_out": 0,
        "repeated": 0,
        "refused": 0,
    }


def test_the_products_own_clips_are_no_traffic_and_no_all_clear(tmp_path):
    serve(tmp_path, replay=True)
    drift = monitor(tmp_path)
    assert (drift["decision"], drift["reason"]) == ("not_enough_data", "only the product's own clips")
    assert (drift["current"]["n"], drift["current"]["requests"], drift["current"]["replays"]) == (0, 0, 40)
    assert "holds only 40 answers about the product's own clips" in drift["summary"]
    serve(tmp_path, seed=3)
    drift = monitor(tmp_path)
    assert (drift["decision"], drift["reason"], drift["current"]["n"]) == ("no_drift", None, 40)
    assert "also holds 40 answers about the product's own clips" in drift["summary"]


def test_predictions_of_another_model_are_not_compared(tmp_path):
    serve(tmp_path)
    drift = monitor(tmp_path, table=reference(version="ccc"))
    assert {test["kind"] for test in drift["tests"]} == {"fact", "missing", "embedding", "novelty"}
    assert "predictions of topic" in drift["skipped"]
    assert "served model aaa" in drift["summary"]


def catalog(folder, options=OPTIONS, delivery=DELIVERY):
    page, looks, history = (str(folder / name) for name in ("drift.html", "looks.jsonl", "history.json"))
    workspace = str(folder / "evidently")
    return DataCatalog(
        {
            "champions": MemoryDataset({"topic": SERVED}, copy_mode="assign"),
            "clips": MemoryDataset(table([], CLIPS)),
            "annotations": MemoryDataset(table([], ANNOTATIONS)),
            "params:monitor.diagnosis": MemoryDataset(options.diagnosis),
            "params:monitor.quality": MemoryDataset(options.quality),
            "label_summary": MemoryDataset({}),
            "params:monitor.history": MemoryDataset(HistoryOptions()),
            "params:compute": MemoryDataset(ComputeOptions(workers=1)),
            "drift_captures": Folder(filepath=str(folder / "capture")),
            "thumbnails": Folder(filepath=str(folder / "thumbnails")),
            "drift_history": JSONFile(filepath=history),
            "earlier_drift_history": EarlierJSON(filepath=history),
            "drift_workspace": TextTree(filepath=workspace),
            "earlier_drift_workspace": TextTree(filepath=workspace),
            "prediction_log": PredictionLogPlace(filepath=str(folder / "log")),
            "delivery": MemoryDataset(delivery),
            "capabilities_resolved": MemoryDataset(RESOLVED),
            "params:monitor": MemoryDataset(options),
            "params:seed": MemoryDataset(7),
            "drift": JSONFile(filepath=str(folder / "drift.json")),
            "earlier_drift_looks": JSONObjectLog(filepath=looks, of=LOOK),
            "drift_looks": JSONObjectLog(filepath=looks, of=LOOK),
            "drift_report": TextFile(filepath=page),
            "earlier_drift_report": EarlierText(filepath=page),
        }
    )


def run(folder):
    counters.reset()
    SequentialRunner().run(create_pipeline(), catalog(folder))
    return (folder / "drift.html").read_text(), counters.counts()


def test_a_look_at_the_same_traffic_spends_once_and_finds_the_same(tmp_path):
    looks = []
    serve(tmp_path, longer=5.0)
    first, again = (monitor(tmp_path, looks=looks) for _ in range(2))
    assert first == again
    assert [one.decision for one in looks] == ["drift"]
    serve(tmp_path, n=20, seed=3, start=NOON + timedelta(days=1))
    later = monitor(tmp_path, looks=looks)
    assert [one.alpha for one in looks] == [first["look"]["alpha"], later["look"]["alpha"]]
    assert 0 < later["look"]["alpha"] < first["look"]["alpha"] < OPTIONS.alpha


def test_too_little_traffic_is_no_look(tmp_path):
    looks = []
    serve(tmp_path, n=5)
    drift = monitor(tmp_path, looks=looks)
    assert (drift["decision"], drift["look"]["alpha"], looks) == ("not_enough_data", 0, [])


def test_too_little_traffic_still_gives_a_page(tmp_path):
    page, _ = run(tmp_path)
    assert "20 more will do" in page


def test_where_nothing_is_served_there_is_a_page_that_decides_nothing(tmp_path):
    serve(tmp_path / "log")
    nothing = {"bento": None, "capabilities": {}}
    SequentialRunner().run(create_pipeline(), catalog(tmp_path, delivery=nothing))
    drift = json.loads((tmp_path / "drift.json").read_text())
    assert (drift["decision"], drift["current"]["n"], drift["skipped"]) == ("not_enough_data", 0, {})
    assert "Not enough data" in (tmp_path / "drift.html").read_text()


@pytest.mark.slow
def test_the_page_is_made_once_and_again_only_for_new_traffic(tmp_path, foreign_loads):
    serve(tmp_path / "log", longer=5.0)
    page, counts = run(tmp_path)
    assert counts["drift_pages_made"] == 1
    assert "duration s" in page
    assert "adjusted by Holm" in page, "Evidently's columns show our adjusted p-values"
    assert "default-src 'none'" in page.replace("&#39;", "'")
    assert foreign_loads(page) == []
    assert "</script><b>" not in page, "class names are foreign text"
    again, counts = run(tmp_path)
    assert counts["drift_pages_made"] == 0
    assert again == page
    assert len((tmp_path / "looks.jsonl").read_text().splitlines()) == 1
    serve(tmp_path / "log", n=1, seed=3)
    _, counts = run(tmp_path)
    assert counts["drift_pages_made"] == 1


def _look(time, decision):
    return Look(f"{time}", time, 0.01, decision=decision)


def test_what_is_older_than_any_window_since_a_decision_is_left_in_the_log(tmp_path):
    options = OPTIONS.model_copy(update={"windows": OPTIONS.windows.model_copy(update={"days": 5.0})})
    for seed, days in enumerate((-30, -6.5, 0, 1)):
        serve(tmp_path, 30, seed=seed, start=NOON + timedelta(days=days))
    decided, calm = _look(NOON + timedelta(minutes=1), "drift"), _look(NOON + timedelta(days=1), "no_drift")
    whole = read_traffic(str(tmp_path), DELIVERY, options, [calm])
    bounded = read_traffic(str(tmp_path), DELIVERY, options, [decided, calm])
    assert (whole.requests, bounded.requests, bounded.other) == (120, 90, 30)
    assert bounded.table["request_id"].tolist() == whole.table["request_id"].tolist()[30:]
    earlier, references = [decided], {"topic": reference()}
    tests = [
        compare_with_references(references, traffic, DELIVERY, RESOLVED, options, 0, earlier)[0]
        for traffic in (whole, bounded)
    ]
    assert [one.windows for one in tests] == [[*tests[0].windows]] * 2
    assert tests[0].tests == tests[1].tests, "what is tested is the same"


def test_a_log_that_ends_before_the_last_decision_is_read_whole(tmp_path):
    serve(tmp_path, 30, start=NOON - timedelta(days=90))
    serve(tmp_path, 5, start=NOON + timedelta(days=2), version="bbb")
    found = read_traffic(str(tmp_path), DELIVERY, OPTIONS, [_look(NOON, "drift")])
    assert found.requests == 30


def test_of_a_long_log_the_latest_answers_and_three_periods_are_read(tmp_path, monkeypatch):
    for seed, hours in enumerate((-90, -80, -60, 0)):
        serve(tmp_path, 30, seed=seed, start=NOON + timedelta(hours=hours))
    serve(tmp_path, 45, seed=8, start=NOON + timedelta(hours=1), version="bbb")
    serve(tmp_path, 20, seed=9, start=NOON + timedelta(hours=1), replay=True)
    whole = read_traffic(str(tmp_path), DELIVERY, OPTIONS)
    found = {}
    for most in (121, 100, 50):
        monkeypatch.setattr("cu_pipeline.pipelines.monitor.nodes.MOST_ANSWERS", most)
        found[most] = read_traffic(str(tmp_path), DELIVERY, OPTIONS)
    assert (whole.requests, whole.other) == (120, 45)
    assert {most: one.requests for most, one in found.items()} == {121: 120, 100: 100, 50: 60}
    assert found[50].table["request_id"].tolist() == whole.table["request_id"].tolist()[60:]
    options = OPTIONS.model_copy(update={"windows": OPTIONS.windows.model_copy(update={"clips": 40})})
    latest = [
        [(test.name, test.statistic, test.effect) for test in one.tests if test.window == "latest"]
        for traffic in (whole, found[100])
        for one in compare_with_references({"topic": reference()}, traffic, DELIVERY, RESOLVED, options, 0, ())[:1]
    ]
    assert latest[0] == latest[1], "what the latest window tells does not depend on how much is read"
    assert latest[0]

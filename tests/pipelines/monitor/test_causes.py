"""The nodes that read references, say what must be said first, and estimate quality; causes have tests of their own."""

import json
from datetime import timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from tests.pipelines.monitor.test_pipeline import DELIVERY, NOON, OPTIONS, RESOLVED, reference, serve

from cu_pipeline.core.records import ANNOTATIONS, CLIPS, table
from cu_pipeline.drift.compare import compare
from cu_pipeline.drift.diagnosis import Cause, CauseKind
from cu_pipeline.drift.diagnosis_options import QualityOptions
from cu_pipeline.drift.looks import Look
from cu_pipeline.drift.samples import ClipSample
from cu_pipeline.inference.prediction_log import FeedbackRecord, LogOptions, PredictionLog
from cu_pipeline.pipelines.monitor import causes
from cu_pipeline.pipelines.monitor.nodes import read_traffic


def labelled(n=120):
    """A reference whose labels people gave."""
    found = reference(n)
    truth = [json.loads(row)["topic"] for row in found["labels"]]
    return found.assign(truth=truth, truth_source="human", group=[f"creator:{row // 2}" for row in range(len(found))])


def looked_at(traffic, references):
    samples = {name: ClipSample(one) for name, one in references.items()}
    kinds = {"topic": RESOLVED.active["topic"].kind}
    return compare(samples, ClipSample(traffic.table), kinds, OPTIONS, 7, Look("x", NOON, 0.05))


def test_models_tell_what_they_learned_from_and_those_of_earlier_versions_are_named(tmp_path, caplog):
    old, new = SimpleNamespace(version="v0", reference=None), SimpleNamespace(version="v1", reference=SimpleNamespace())
    new.reference.table = reference
    assert list(causes.read_references({"topic": new, "safety": old})) == ["topic"]
    traffic = read_traffic(tmp_path, DELIVERY, OPTIONS)
    (only,) = causes.gather_notices(tmp_path, DELIVERY, traffic, {"topic": new, "safety": old})
    assert only.startswith("safety: the served model v0 was trained by an earlier version")
    assert only in caplog.text


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    serve(folder, n=80)
    log = PredictionLog.open(str(folder), LogOptions(retention_days=36_500))
    names = read_traffic(folder, DELIVERY, OPTIONS).table["request_id"]
    for number, name in enumerate(names[:30]):
        time = NOON + timedelta(minutes=number)
        log.append(FeedbackRecord(time=time, request_id=name, capability="topic", label="dogs"))
    log.close()
    return folder


def test_quality_is_estimated_and_what_has_changed_makes_it_doubtful(served):
    traffic, references = read_traffic(served, DELIVERY, OPTIONS), {"topic": labelled()}
    comparison = looked_at(traffic, references)

    def estimate(*found, audits=None):
        asked = (comparison, references, traffic, found, audits or {}, RESOLVED, QualityOptions())
        return causes.estimate_served_quality(*asked)["topic"]

    plain = estimate()
    assert (plain.trusted, plain.clips, plain.method) == (True, 80, "calibrated confidence")
    assert plain.accuracy > 0.9, "the model of the reference was right of all clips, though only half sure"
    told = {"since": None, "share": 0.2, "request_ids": (), "tests": (), "trains": True}
    assert estimate(Cause(CauseKind.MIX, "other shares", **told)).trusted
    doubtful = estimate(Cause(CauseKind.NEW_TOPIC, "a new topic", **told))
    assert doubtful.why == "its confidence cannot be believed, since a new topic"


def test_feedback_counts_as_audits_only_where_it_is_random(served):
    traffic = read_traffic(served, DELIVERY, OPTIONS)
    nothing = table([], CLIPS), table([], ANNOTATIONS)
    assert causes.gather_audits(served, traffic, *nothing, QualityOptions()) == {}
    random = QualityOptions(feedback_is_random=True)
    found = causes.gather_audits(served, traffic, *nothing, random)
    assert len(found["topic"]) == 30
    references = {"topic": labelled()}
    comparison = looked_at(traffic, references)
    told = causes.estimate_served_quality(comparison, references, traffic, [], found, RESOLVED, random)["topic"]
    assert (told.method, told.audits) == ("prediction-powered", 30)


def test_labels_of_clips_that_were_drawn_at_random_are_audits_unless_the_model_learned_from_them():
    clips = pd.DataFrame({"clip_id": ["a", "b", "c"], "media_sha256": ["ma", "mb", "mc"], "text_sha256": ["t"] * 3})
    answers = {"capability": "topic", "kind": "human", "label": "dogs"}
    drawn = zip("abc", ["random", "random", "value"], strict=True)
    annotations = pd.DataFrame([answers | {"clip_id": name, "draw": draw} for name, draw in drawn])
    served = pd.DataFrame({"content": ["ma/t", "mb/t", "mc/t"], "request_id": ["r1", "r2", "r3"]})
    audits = causes.gather_audits("", SimpleNamespace(table=served), clips, annotations, QualityOptions())
    assert audits == {"topic": {"r1": "dogs", "r2": "dogs"}}
    learned = pd.DataFrame({"content": ["mb/t", ""]})
    assert causes._unseen(audits["topic"], ClipSample(served), learned) == {"r1": "dogs"}

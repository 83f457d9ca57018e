"""What the service was asked about, and what people said of its answers, come back as clips with labels."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from tests.pipelines.collect.test_pipeline import Project, clip

from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.inference.prediction_log import (
    FeedbackRecord,
    LogOptions,
    PredictionLog,
    PredictionRecord,
    read_answers,
    read_new_feedback,
    reading_by_id,
)
from cu_pipeline.ingest.capture_store import CaptureStore


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("CU_PIPELINE_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEPT = LogOptions(retention_days=36_500)


def answered(project: Project, name, media, caption, label, annotator="Ann"):
    """Keep a request as the service does, and a person's word on it."""
    digest = "" if media is None else sha256(media.read_bytes()).hexdigest()
    CaptureStore(project.root / "data/01_raw/capture").keep(name, media, digest, caption, {"creator": "me"})
    log = PredictionLog.open(str(project.root / "data/07_model_output/prediction_log"), KEPT)
    told = {"labels": {}, "probabilities": {}, "versions": {}, "embedding": "", "facts": {}}
    text = text_sha256(caption) if caption else ""
    log.append(PredictionRecord(time=NOON, request_id=name, media_sha256=digest, text_sha256=text, **told))
    log.append(
        FeedbackRecord(time=NOON, request_id=name, capability="topic", label=label, annotator=annotator, comment="")
    )
    log.close()


def labels(project):
    return project.annotations[["clip_id", "annotator", "label"]].to_numpy().tolist()


def test_captured_clips_are_a_feed_and_feedback_labels_clips_of_any(project):
    answered(project, "r1", clip(project.root / "request/a.mp4"), "看", "猫")
    answered(project, "r2", None, "known from the feed", "dogs", annotator="")
    project.feed({"clip_id": "a", "text": "known from the feed", "label": "cats"}, {"clip_id": "b", "text": "other"})
    project.options = project.options.model_copy(update={"manifest": ("feed.csv", "capture")})
    counts = project.run()
    assert counts["feedback_taken"] == 2
    assert ["a", "label", "cats"] in labels(project)
    assert ["a", "service", "dogs"] in labels(project)
    row = project.clips.set_index("text").loc["看"]
    assert row["clip_id"].startswith("capture-")
    assert [row["clip_id"], "service/Ann", "猫"] in labels(project)
    assert (row["creator"], row["width"]) == ("me", 64)
    first = project.bytes()
    assert project.run()["feedback_taken"] == 0
    assert {name: content for name, content in project.bytes().items() if first[name] != content} == {}


def test_feedback_outlives_the_log_that_it_came_by(project):
    answered(project, "r1", None, "text", "猫")
    project.feed({"clip_id": "a", "text": "text"}, {"clip_id": "b", "text": "other"})
    project.run()
    assert labels(project) == [["a", "service/Ann", "猫"]]
    for path in (project.root / "data/07_model_output/prediction_log").rglob("*"):
        if path.is_file():
            path.unlink()
    project.run()
    assert labels(project) == [["a", "service/Ann", "猫"]]


def test_feedback_on_what_the_log_does_not_know_is_looked_for_once(project):
    log = PredictionLog.open(str(project.root / "data/07_model_output/prediction_log"), KEPT)
    log.append(FeedbackRecord(time=NOON, request_id="gone", capability="topic", label="猫", annotator="Ann"))
    log.close()
    project.feed({"clip_id": "a", "text": "text"}, {"clip_id": "b", "text": "other"})
    assert [project.run()[name] for name in ("feedback_taken", "feedback_left_out")] == [1, 1]
    assert [project.run()[name] for name in ("feedback_taken", "feedback_left_out")] == [0, 1]
    assert labels(project) == []


def test_a_log_that_cannot_be_read_stops_no_run(project, caplog):
    folder = project.root / "data/07_model_output/prediction_log"
    folder.mkdir(parents=True)
    answered(project, "r1", None, "text", "猫")
    for path in folder.rglob("*.db"):
        path.write_bytes(b"no database" * 1000)
    project.feed({"clip_id": "a", "text": "text"})
    project.run()
    assert "feedback is not taken now" in caplog.text


def captured(project: Project, name, media, caption, clip_id):
    digest = sha256(media.read_bytes()).hexdigest()
    CaptureStore(project.root / "data/01_raw/capture").keep(name, media, digest, caption, {"clip_id": clip_id})


@pytest.mark.parametrize("sources", [("feed.csv", "capture"), ("capture", "feed.csv")])
def test_a_captured_clip_with_the_id_of_another_is_that_clip_or_has_its_own_name(project, sources, caplog):
    red = clip(project.root / "red.mp4")
    other = clip(project.root / "request/other.mp4", 40)
    captured(project, "r1", red, "text", "a")
    captured(project, "r2", other, "text", "b")
    captured(project, "r3", other, "more", "c")
    project.feed(
        {"clip_id": "a", "path": "red.mp4", "text": "text"}, {"clip_id": "b", "path": "red.mp4", "text": "of a feed"}
    )
    project.options = project.options.model_copy(update={"manifest": sources})
    assert project.run()["clips_rejected"] == 0
    found = project.clips.set_index("clip_id")
    (renamed,) = set(found.index) - {"a", "b", "c"}
    assert renamed.startswith("b-")
    feeds = found["feed"].to_dict()
    assert feeds["a"] == feeds["b"] == "feed.csv"
    assert (feeds[renamed], feeds["c"]) == ("capture", "capture")
    assert "1 are that clip, and 1 have another content" in caplog.text
    first = project.bytes()
    project.run()
    assert {name: content for name, content in project.bytes().items() if first[name] != content} == {}


def test_of_the_log_no_more_is_read_than_what_is_new(project, monkeypatch):
    place = str(project.root / "data/07_model_output/prediction_log")
    answered(project, "r1", None, "text", "猫")
    project.feed({"clip_id": "a", "text": "text"}, {"clip_id": "b", "text": "other"})
    assert project.run()["feedback_taken"] == 1
    answered(project, "r2", None, "other", "dogs", annotator="Bob")
    read = []
    real = reading_by_id.stored
    monkeypatch.setattr(reading_by_id, "stored", lambda *told: (read.append(one) or one for one in real(*told)))
    assert project.run()["feedback_taken"] == 1
    assert sorted(type(one).__name__ for one in read) == ["FeedbackRecord", "PredictionRecord"]
    assert {one.request_id for one in read} == {"r2"}
    assert [one.request_id for one in read_new_feedback(place, set())] == ["r1", "r2"]
    assert set(read_answers(place, ["r1", "r2", "gone"])) == {"r1", "r2"}

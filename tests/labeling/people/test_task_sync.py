"""Clips go out to people and answers come in: to a server that is imitated here, and by files."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import StudioError
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.labeling.people.batches import State, people_annotations
from cu_pipeline.labeling.people.options import QueueOptions, StudioOptions
from cu_pipeline.labeling.people.queue import QueueTerms
from cu_pipeline.labeling.people.served_media import ServedMedia, Unservable
from cu_pipeline.labeling.people.sync_words import (
    harvest_message,
    not_played_message,
    push_message,
    status_table,
)
from cu_pipeline.labeling.people.task_sending import Pushed
from cu_pipeline.labeling.people.task_sync import TaskSync
from cu_pipeline.labeling.people.work_log import answer_log, batch_log

CAPABILITIES = {
    "topic": Capability(classes=("cooking", "pets")),
    "safety": Capability(kind="multi", classes=("advert", "violence")),
}


class LabelStudio:
    """What the sync asks of a server, kept in memory; `fails_after` tasks it goes down."""

    def __init__(self, title: str = "cu-pipeline") -> None:
        self.place = f"http://studio {title}"
        self.others: dict[str, LabelStudio] = {}
        self.sent: list[dict[str, Any]] = []
        self.fails_after: int | None = None
        self.showing = True
        self.clock = 0

    def titled(self, title: str) -> "LabelStudio":
        return self.others.setdefault(title, LabelStudio(title))

    def prepare(self, interface: str, redundancy: int, folders: Sequence[Path]) -> None:
        self.prepared = (interface, redundancy, folders)

    def shows(self, address: str) -> bool:
        return self.showing

    def change(self, task: int, data: dict[str, Any]) -> None:
        (mine,) = [one for one in self.sent if one["id"] == task]
        mine["data"] = data

    def remove(self, tasks: Sequence[int]) -> None:
        self.sent = [one for one in self.sent if one["id"] not in tasks]

    def tasks(self) -> list[dict[str, Any]]:
        return json.loads(json.dumps(self.sent))

    def send(self, tasks: Sequence[dict[str, Any]]) -> None:
        for task in tasks:
            if self.fails_after is not None and len(self.sent) >= self.fails_after:
                raise StudioError("the server went down")
            number = len(self.sent) + 1
            self.sent.append({**task, "id": number, "updated_at": self.time(), "annotations": []})

    def time(self) -> str:
        self.clock += 1
        return f"2026-03-01T10:{self.clock // 60:02}:{self.clock % 60:02}Z"

    def annotate(
        self, place: int, choices: dict[str, list[str]], who: Any = "ana@x.org", **changes: Any
    ) -> dict[str, Any]:
        task = self.sent[place]
        number = 100 * task["id"] + len(task["annotations"])
        task["annotations"].append(
            {"id": number, "completed_by": who, "was_cancelled": False, "lead_time": 2.5, "result": results(choices)}
            | {"updated_at": self.time()}
            | changes
        )
        task["updated_at"] = task["annotations"][-1]["updated_at"]
        return task["annotations"][-1]

    def annotate_all(self) -> None:
        for place in range(len(self.sent)):
            self.annotate(place, {"topic": ["pets"], "safety": ["none"]})


def results(choices: dict[str, list[str]]) -> list[dict[str, Any]]:
    return [
        {"from_name": f"label_{name}", "to_name": "caption", "type": "choices", "value": {"choices": list(chosen)}}
        for name, chosen in choices.items()
    ]


def task(number: int, draw: str = "value", **meta: Any) -> dict[str, Any]:
    data = {"clip_id": f"c{number:03}", "video": f"data/clips/{number}.mp4", "text": f"caption {number}"}
    return {"data": data, "meta": {"draw": draw, "codec": "h264", **meta}, "predictions": []}


def sync_at(folder: Path, clips: int = 5, **queue: Any) -> TaskSync:
    tasks = [task(number, "random" if number % 2 else "value") for number in range(clips)]
    tasks.append(task(900, "gold", gold={"topic": "pets"}))
    (folder / "data" / "clips").mkdir(parents=True, exist_ok=True)
    for one in tasks:
        (folder / one["data"]["video"]).touch()
    return TaskSync(
        queue=tasks,
        capabilities=CAPABILITIES,
        terms=QueueTerms(QueueOptions.model_validate(queue), 0.04),
        studio=StudioOptions(),
        media=ServedMedia.of({one["data"]["clip_id"]: one["data"]["video"] for one in tasks}, StudioOptions()),
        batches=batch_log(folder / "batches.jsonl"),
        answers=answer_log(folder / "answers.jsonl"),
        now=lambda: "2026-03-01T10:00:00+00:00",
    )


@pytest.fixture
def sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskSync:
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    return sync_at(tmp_path)


@pytest.fixture
def server() -> LabelStudio:
    return LabelStudio()


def sent_ids(server: LabelStudio) -> list[str]:
    return [one["data"]["clip_id"] for one in server.sent]


def test_pushing_twice_sends_each_clip_once(sync: TaskSync, server: LabelStudio) -> None:
    assert sync.push(server).sent == 6
    before = sync.batches.read()
    assert sync.push(server).sent == 0
    assert len(server.sent) == 6
    assert sync.batches.read() == before
    assert "6 clips wait for answers at http://studio" in push_message(Pushed(0, 0), server.place, sync.reviews())


def test_people_do_not_see_how_a_clip_was_drawn_or_whether_its_answer_is_known(
    sync: TaskSync, server: LabelStudio
) -> None:
    sync.push(server)
    assert {tuple(one["meta"]) for one in server.sent} == {("batch",)}
    assert all(set(one["data"]) == {"clip_id", "video", "text"} for one in server.sent)
    assert server.sent[0]["data"]["video"] == "/data/local-files/?d=clips/0.mp4"


@pytest.mark.parametrize("sent", [0, 1, 5])
def test_an_interrupted_push_goes_on_where_it_stopped(sync: TaskSync, server: LabelStudio, sent: int) -> None:
    server.fails_after = sent
    with pytest.raises(StudioError):
        sync.push(server)
    server.fails_after = None
    assert sync.push(server).sent == 6 - sent
    assert sorted(sent_ids(server)) == sorted(one["data"]["clip_id"] for one in sync.queue)


def test_what_a_server_took_twice_is_asked_once_and_no_answer_is_lost(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.send([{key: one[key] for key in ("data", "meta", "predictions")} for one in server.sent])
    server.annotate(7, {"topic": ["pets"], "safety": ["none"]})
    answered = server.sent[7]
    pushed = sync.push(server)
    assert (pushed.sent, pushed.doubled) == (0, 6)
    assert answered in server.sent
    assert len(sent_ids(server)) == len(set(sent_ids(server))) == 6
    assert "6 clips were there twice" in push_message(pushed, server.place, ())


def test_nothing_is_opened_when_the_server_cannot_be_prepared(sync: TaskSync, server: LabelStudio) -> None:
    def down(*_: object) -> None:
        raise StudioError("no answer")

    server.prepare = down
    with pytest.raises(StudioError):
        sync.push(server)
    assert sync.batches.read() == []


def test_batches_are_of_nearly_equal_size(tmp_path: Path, sync: TaskSync, server: LabelStudio) -> None:
    many = sync_at(tmp_path, clips=10, batch_clips=5)
    many.push(server)
    assert [len(review.batch.items) for review in many.reviews()] == [3, 4, 4]
    assert len({review.batch.batch for review in many.reviews()}) == 3


def test_answers_about_clips_that_were_erased_are_not_taken(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.annotate_all()
    erased = sync.queue[0]["data"]["clip_id"]
    fresh = dataclasses.replace(sync, erased=lambda clip: clip == erased).take(server.tasks()).fresh
    assert len(fresh) == 5
    assert erased not in {answer.clip_id for answer in fresh}


def test_pulling_twice_adds_nothing(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.annotate_all()
    assert len(sync.take(server.tasks()).fresh) == 6
    assert sync.take(server.tasks()).fresh == []
    (review,) = sync.reviews()
    assert (review.state, review.accepted, review.gold_asked) == (State.DONE, True, 1)
    rows = people_annotations([review])
    assert set(rows["annotator"]) == {"ana@x.org"}
    assert rows.set_index(["clip_id", "capability"])["label"].to_dict()["c001", "safety"] == "none"
    assert rows.set_index("clip_id")["draw"].to_dict() == {
        "c000": "value", "c001": "random", "c002": "value", "c003": "random", "c004": "value", "c900": "",
    }  # fmt: skip


def test_after_answers_came_a_queue_that_is_not_renewed_sends_nothing_again(
    sync: TaskSync, server: LabelStudio
) -> None:
    sync.push(server)
    server.annotate_all()
    sync.take(server.tasks())
    assert sync.push(server).sent == 0
    assert len(sync.reviews()) == 1


def test_clips_of_a_batch_that_was_sent_back_go_out_again(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    (review,) = sync.reviews()
    sync.decide(review.batch.batch, accepted=False, reason="hasty")
    assert sync.push(server).sent == 6
    assert "hasty" in status_table(sync.reviews())


def test_an_edited_answer_replaces_the_first_and_a_deleted_one_is_forgotten(
    sync: TaskSync, server: LabelStudio
) -> None:
    sync.push(server)
    given = server.annotate(0, {"topic": ["cooking"], "safety": ["advert"]})
    sync.take(server.tasks())
    given |= {"result": results({"topic": ["pets"], "safety": ["none"]}), "updated_at": server.time()}
    (edited,) = sync.take(server.tasks()).fresh
    assert edited.labels == {"topic": "pets", "safety": "none"}
    server.sent[0]["annotations"] = []
    server.sent[0]["updated_at"] = server.time()
    (deleted,) = sync.take(server.tasks()).fresh
    assert deleted.state == "deleted"
    assert sync.reviews()[0].answers == {}
    assert sync.take(server.tasks()).fresh == []


def test_an_old_export_neither_deletes_nor_takes_back(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    given = server.annotate(0, {"topic": ["cooking"], "safety": ["advert"]})
    old = server.tasks()
    given |= {"result": results({"topic": ["pets"], "safety": ["none"]}), "updated_at": server.time()}
    server.annotate(1, {"topic": ["pets"], "safety": ["none"]})
    sync.take(server.tasks())
    known = sync.answers.read()
    assert sync.take(old).fresh == []
    assert sync.answers.read() == known


def test_a_skipped_clip_is_kept_as_skipped(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.annotate(0, {}, was_cancelled=True)
    (skipped,) = sync.take(server.tasks()).fresh
    assert (skipped.state, skipped.labels) == ("skipped", {})


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"topic": ["dancing"], "safety": ["none"]}, "'dancing' is no class of topic; classes: cooking, pets"),
        ({"topic": ["cooking", "pets"]}, "2 classes are chosen"),
        ({"safety": ["none", "advert"]}, "'none' stands alone"),
        ({"mood": ["happy"]}, "'label_mood', which was not asked; asked: label_topic, label_safety"),
        ({}, "it answers nothing"),
    ],
)
def test_an_answer_that_cannot_be_right_is_refused_and_the_others_are_kept(
    sync: TaskSync, server: LabelStudio, choices: dict[str, list[str]], reason: str
) -> None:
    sync.push(server)
    server.annotate(0, choices)
    server.annotate(1, {"topic": ["pets"], "safety": ["violence", "advert"]})
    found = sync.take(server.tasks())
    assert [answer.labels for answer in found.fresh] == [{"topic": "pets", "safety": "advert|violence"}]
    assert len(found.problems) == 1
    assert reason in found.problems[0]
    assert "annotation 100 of clip 'c000'" in found.problems[0]


def test_tasks_of_others_are_left_alone_and_unknown_batches_named(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.sent.append({"id": 70, "data": {"text": "mine"}, "annotations": []})
    server.sent.append({"id": 71, "data": {"clip_id": "c000"}, "meta": {"batch": "9999-abc"}, "annotations": []})
    found = sync.take(server.tasks())
    assert found.foreign == 1
    assert "1 tasks there were not sent by this project" in harvest_message(found)
    assert "no batch '9999-abc' with clip 'c000'" in found.problems[0]


def test_files_do_the_same_without_a_server(sync: TaskSync, server: LabelStudio) -> None:
    (sheet,) = sync.export()
    tasks = sheet.tasks
    assert len(tasks) == 6
    assert "label_safety" in sheet.interface
    assert sync.export() == [sheet]
    server.send(tasks)
    for place in range(6):
        server.annotate(place, {"topic": ["pets"], "safety": ["none"]}, who={"id": 4, "email": "ben@x.org"})
    assert len(sync.take(server.tasks()).fresh) == 6
    assert [one.tasks for one in sync.export()] == [[]]
    assert sync.push(server).sent == 0


def test_a_user_of_whom_only_the_number_is_known_keeps_the_name_that_was_known(
    sync: TaskSync, server: LabelStudio
) -> None:
    sync.push(server)
    server.annotate(0, {"topic": ["pets"], "safety": ["none"]})
    sync.take(server.tasks())
    numbered = server.tasks()
    numbered[0]["annotations"][0]["completed_by"] = 4
    assert sync.take(numbered).fresh == []
    server.annotate(1, {"topic": ["pets"], "safety": ["none"]}, who=4)
    (new,) = sync.take(server.tasks()).fresh
    assert new.annotator == "user-4"


def test_the_status_shows_state_answers_gold_and_money(sync: TaskSync, server: LabelStudio) -> None:
    assert "kedro labels push" in status_table([])
    sync.push(server)
    server.annotate(0, {"topic": ["pets"], "safety": ["none"]})
    server.annotate(5, {"topic": ["cooking"], "safety": ["none"]})
    sync.take(server.tasks())
    head, row, *_ = status_table(sync.reviews()).splitlines()
    assert head.split() == ["batch", "state", "used", "clips", "answered", "gold", "agreement", "spent"]
    assert row.split()[1:] == ["open", "no", "6", "2", "0/1", "-", "$0.16"]


def test_an_unknown_batch_is_refused_with_those_there_are(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    with pytest.raises(StudioError, match=r"no batch 'x'; batches: 0001-"):
        sync.decide("x", accepted=True, reason="")


def served_from(sync: TaskSync, **options: str) -> TaskSync:
    studio = StudioOptions(**options)
    return dataclasses.replace(sync, studio=studio, media=ServedMedia.of(sync.media.stored, studio))


def test_clips_whose_media_cannot_be_shown_stay_and_the_others_go(
    tmp_path: Path, sync: TaskSync, server: LabelStudio
) -> None:
    (tmp_path / "data/clips/1.mp4").unlink()
    assert sync.unservable() == {"c001": Unservable.MISSING}
    assert sync.push(server).sent == 5
    assert "c001" not in sent_ids(server)
    (tmp_path / "data/clips/1.mp4").touch()
    assert sync.push(server).sent == 1
    assert served_from(sync, document_root="elsewhere").unservable().keys() == {*sent_ids(server)}


def test_what_waits_gets_the_address_from_which_media_are_served_now(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.annotate(0, {"topic": ["pets"], "safety": ["none"]})
    sync.take(server.tasks())
    moved = served_from(sync, media_url="https://media.example")
    assert moved.push(server) == Pushed(0, 5)
    assert [one["data"]["video"] for one in server.sent[:2]] == [
        "/data/local-files/?d=clips/0.mp4",
        "https://media.example/clips/1.mp4",
    ]
    assert moved.push(server) == Pushed(0, 0)
    assert "5 clips there got the new address" in push_message(Pushed(0, 5), server.place, ())
    (sheet,) = moved.export()
    assert sheet.tasks == []


def test_a_server_that_shows_no_media_gets_nothing(sync: TaskSync, server: LabelStudio) -> None:
    server.showing = False
    with pytest.raises(StudioError, match=r"must serve files below .*/data\. Start it again with `make label-studio`"):
        sync.push(server)
    assert (server.sent, sync.batches.read()) == ([], [])
    assert served_from(sync, media_url="https://media.example").push(server).sent == 6


def test_clips_that_browsers_do_not_play_are_counted(tmp_path: Path, sync: TaskSync) -> None:
    assert sync.not_played() == {}
    other = dataclasses.replace(sync, queue=[task(1, codec="hevc"), task(2, codec="vp9"), task(3, codec="hevc")])
    assert other.not_played() == {"hevc": 2}
    assert "browsers do not play 2 hevc" in not_played_message(other.not_played())


def test_an_annotator_and_a_class_in_two_spellings_are_one(tmp_path: Path, sync: TaskSync, server: LabelStudio) -> None:
    capabilities = {"topic": Capability(classes=("Café", "none"))}
    sync = dataclasses.replace(sync_at(tmp_path, clips=1, redundancy=2), capabilities=capabilities)
    sync = dataclasses.replace(sync, queue=sync.queue[:1])
    sync.push(server)
    server.annotate(0, {"topic": ["none"]}, who="Ana Mu\u0308ller")
    server.annotate(0, {"topic": ["Cafe\u0301"]}, who="Ana\u00a0Müller\u200b")
    found = sync.take(server.tasks())
    assert not found.problems
    (review,) = sync.reviews()
    answers = review.answers["c000"]
    assert [(answer.annotator, answer.labels) for answer in answers] == [("Ana Müller", {"topic": "Café"})]
    assert not sync.take(server.tasks()).fresh


def test_names_that_earlier_versions_wrote_are_read_in_one_spelling(tmp_path: Path) -> None:
    answer = {"batch": "b", "clip_id": "c", "annotation": 1, "time": "", "labels": {"safety": "Cafe\u0301|b\u200b"}}
    lines = [json.dumps(answer | {"annotator": who}) for who in ("Ana Mu\u0308ller", "Ana\u00a0Müller")]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = answer_log(tmp_path / "answers.jsonl").read()
    assert [(one.annotator, one.labels) for one in read] == [("Ana Müller", {"safety": "Café|b"})] * 2


def _note(name: str = "note", **part: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "caption"} | part


def test_notes_and_ratings_beside_the_answer_are_counted_and_the_answer_is_taken(sync, server) -> None:
    sync.push(server)
    server.annotate(0, {"topic": ["pets"], "safety": ["none"]})
    extra = [
        _note(type="textarea", value={"text": ["hard to see"]}),
        _note("mood", type="rating", value={"rating": 4}),
        _note("why", type="choices", value={"choices": ["too dark"]}),
    ]
    server.sent[0]["annotations"][0]["result"][1:1] = extra
    found = sync.take(server.tasks())
    assert [answer.labels for answer in found.fresh] == [{"topic": "pets", "safety": "none"}]
    assert (found.further, found.problems) == (3, [])
    assert "3 parts of answers, such as notes, belong to no question of this project" in harvest_message(found)


def test_a_note_alone_is_no_answer(sync, server) -> None:
    sync.push(server)
    server.annotate(0, {})
    server.sent[0]["annotations"][0]["result"] = [_note(type="textarea", value={"text": ["?"]})]
    found = sync.take(server.tasks())
    assert (found.fresh, found.further) == ([], 1)
    assert "it answers nothing" in found.problems[0]


def _rows(server: LabelStudio) -> list[dict[str, Any]]:
    """Write answers as JSON-MIN does: a row for each, with the questions as columns and neither batch nor parts."""
    return [
        {**task["data"], "label_topic": "pets", "label_safety": {"choices": ["advert", "violence"]}, "note": "dark"}
        | {"id": task["id"], "annotation_id": one["id"], "annotator": 7, "updated_at": one["updated_at"]}
        for task in server.sent
        for one in task["annotations"]
    ]


def test_rows_of_json_min_are_read_by_the_clips_id(sync, server) -> None:
    sync.push(server)
    server.annotate(0, {"topic": ["pets"], "safety": ["advert", "violence"]})
    server.annotate(1, {"topic": ["pets"], "safety": ["advert", "violence"]})
    found = sync.take([*_rows(server), {"clip_id": "another project's", "label_topic": "pets"}])
    answers = {answer.clip_id: (answer.labels, answer.annotator) for answer in found.fresh}
    clips = [task["data"]["clip_id"] for task in server.sent[:2]]
    assert answers == dict.fromkeys(clips, ({"topic": "pets", "safety": "advert|violence"}, "user-7"))
    assert (found.foreign, found.problems) == (1, [])
    assert sync.take(_rows(server)).fresh == []
    assert sync.take(_rows(server)[:1]).fresh == []


def test_exports_without_ids_and_batches_are_read_by_the_clips_id(sync, server) -> None:
    sync.push(server)
    server.annotate(0, {"topic": ["pets"], "safety": ["none"]})
    server.annotate(0, {"topic": ["cooking"], "safety": ["none"]}, who="bob@x.org")
    bare = server.tasks()[:1]
    for part in (*bare, *bare[0]["annotations"]):
        del part["id"]
    del bare[0]["meta"]
    found = sync.take(bare)
    assert {answer.annotator: answer.labels["topic"] for answer in found.fresh} == {
        "ana@x.org": "pets",
        "bob@x.org": "cooking",
    }
    assert sync.take(bare).fresh == []
    bare[0]["annotations"][0] |= {"result": results({"topic": ["cooking"], "safety": ["none"]})}
    bare[0]["annotations"][0] |= {"updated_at": server.time()}
    (changed,) = sync.take(bare).fresh
    assert (changed.annotator, changed.labels["topic"]) == ("ana@x.org", "cooking")


def test_a_clip_whose_votes_are_even_is_sent_again_once(sync, server) -> None:
    sync.push(server)
    for place in range(len(server.sent)):
        server.annotate(place, {"topic": ["pets"], "safety": ["none"]})
    sync.take(server.tasks())
    sent = len(server.sent)
    assert sync.push(server).sent == 0
    again = dataclasses.replace(sync, queue=[task(0, even_of=1), task(1)])
    assert again.push(server).sent == 1
    assert server.sent[sent]["data"]["clip_id"] == "c000"
    assert again.push(server).sent == 0
    server.annotate(sent, {"topic": ["cooking"], "safety": ["none"]}, who="bob@x.org")
    again.take(server.tasks())
    assert again.push(server).sent == 0


def test_a_file_of_json_min_is_read_and_one_without_clips_is_refused_in_words(tmp_path: Path) -> None:
    from cu_pipeline.tracking.label_project import read_tasks

    file = tmp_path / "export.json"
    file.write_text(json.dumps([{"clip_id": "c000", "label_topic": "pets"}]))
    assert read_tasks(file) == [{"clip_id": "c000", "label_topic": "pets"}]
    file.write_text(json.dumps([{"label_topic": "pets"}]))
    with pytest.raises(StudioError, match="a list of tasks with a clip_id each: export as JSON or JSON-MIN"):
        read_tasks(file)


@pytest.fixture
def scoped(sync: TaskSync) -> TaskSync:
    """Give a queue in which three clips ask everything, and of five others, without a video, two ask about safety."""
    plain = [task(number) for number in range(3)]
    texts = [task(number, capabilities=["safety"]) for number in (10, 11)]
    texts = [{**one, "data": one["data"] | {"video": ""}} for one in texts]
    known = task(900, "gold", gold={"topic": "pets"}, capabilities=["topic"])
    return dataclasses.replace(sync, queue=[plain[0], texts[0], *plain[1:], texts[1], known])


def test_what_asks_the_same_is_exported_together_and_nothing_else_is_asked(scoped: TaskSync) -> None:
    both, safety = scoped.export()
    assert (both.names, safety.names) == (("topic", "safety"), ("safety",))
    assert [one["data"]["clip_id"] for one in safety.tasks] == ["c010", "c011"]
    assert len(both.tasks) == 3, "a set that would only ask what is known is left out"
    assert "label_topic" not in safety.interface
    assert "<Video" not in safety.interface
    assert "<Video" in both.interface
    assert scoped.export() == [both, safety]
    assert [sorted(one.batch.capabilities) for one in scoped.reviews()] == [["safety", "topic"], ["safety"]]


def test_each_set_of_questions_has_a_project_of_its_own(scoped: TaskSync, server: LabelStudio) -> None:
    assert scoped.push(server).sent == 5
    other = server.others["cu-pipeline: safety"]
    assert (sent_ids(server), sent_ids(other)) == (["c000", "c001", "c002"], ["c010", "c011"])
    assert "label_topic" not in other.prepared[0]
    assert scoped.push(server).sent == 0
    other.annotate(0, {"safety": ["not_applicable"]})
    found = scoped.take(scoped.fetch(server))
    assert (found.problems, found.foreign) == ([], 0)
    assert [answer.labels for answer in found.fresh] == [{"safety": "not_applicable"}]
    assert scoped.take(scoped.fetch(server)).fresh == []


def test_not_applicable_stands_alone_and_is_paid_for(sync: TaskSync, server: LabelStudio) -> None:
    sync.push(server)
    server.annotate(0, {"topic": ["not_applicable"], "safety": ["advert"]})
    server.annotate(1, {"topic": ["pets"], "safety": ["advert", "not_applicable"]})
    found = sync.take(server.tasks())
    assert [answer.labels for answer in found.fresh] == [{"topic": "not_applicable", "safety": "advert"}]
    assert "'not_applicable' stands alone" in found.problems[0]
    assert sync.reviews()[0].spent == pytest.approx(0.08)

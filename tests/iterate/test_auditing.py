"""Choosing clips for an audit and for the training that comes of it, and judging what champions said of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.drift_files import drift_told
from tests.iterate.conftest import QuietProject

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.caption_text import clean_caption
from cu_pipeline.core.hashing import text_sha256
from cu_pipeline.core.paths import ROOT_VARIABLE
from cu_pipeline.core.records import ANNOTATIONS, SPLITS, table
from cu_pipeline.evaluation.measurement import EvaluateOptions
from cu_pipeline.inference.prediction_log import LogOptions, PredictionLog, PredictionRecord, encode_embedding
from cu_pipeline.ingest.capture_store import CaptureStore
from cu_pipeline.ingest.served_clips import PLACE, ServedClips
from cu_pipeline.ingest.tombstones import NOTHING_ERASED, bury, read_tombstones
from cu_pipeline.iterate.auditing import audit
from cu_pipeline.iterate.choosing import choose_clips
from cu_pipeline.iterate.options import IterateOptions
from cu_pipeline.iterate.state import Iteration, StepName
from cu_pipeline.iterate.verdicts import Standing
from cu_pipeline.iterate.work import Outcome, Work
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.labeling.people.requests import Purpose, drawn_for_test, last_asked
from cu_pipeline.labeling.sources.rules import load_rules
from cu_pipeline.labeling.sources.rules.parameters import RegexRule
from cu_pipeline.splitting.assignment import split_of
from cu_pipeline.splitting.options import SplitOptions

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CLIPS = 200
OUTSIDE = 60
"""The first of the clips were seen before the window."""

WINDOW = {
    "start": (NOON + timedelta(minutes=OUTSIDE)).isoformat(),
    "end": (NOON + timedelta(minutes=CLIPS)).isoformat(),
}


RULE = {"name": "hundreds", "kind": "regex", "capability": "topic", "label": "a", "pattern": r"number 1\d\d$"}


class StoredProject(QuietProject):
    """A project whose datasets are in memory."""

    def __init__(self, root: Path, data: dict[str, Any]) -> None:
        super().__init__(root)
        self.data = data

    def load(self, *names: str) -> list[Any]:
        return [self.data[name] for name in names]

    def save(self, name: str, data: Any) -> None:
        self.data[name] = [*self.data[name], *data]


def caption(number: int) -> str:
    return f"a caption of number {number}"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Have a service see 200 texts of as many creators, and keep them."""
    root = tmp_path_factory.mktemp("audited")
    store = CaptureStore(root / "data/01_raw/capture")
    log = PredictionLog.open(str(root / "log"), LogOptions(retention_days=36_500), None)
    for number in range(CLIPS):
        told = {"clip_id": f"c{number}", "creator": f"writer {number}"}
        store.keep(f"r{number}", None, "", caption(number), told)
        chance = 0.9 if number % 10 else 0.2
        assert log.append(
            PredictionRecord(
                time=NOON + timedelta(minutes=number),
                request_id=f"r{number}",
                labels={"topic": "a" if number % 10 else "b"},
                probabilities={"topic": {"a": chance, "b": 1 - chance}},
                versions={"topic": "v1"},
                embedding=encode_embedding(np.random.default_rng(number).normal(size=4)),
                parts={"captions@1a": 4},
                facts={},
                text_sha256=text_sha256(clean_caption(caption(number))),
                **told,
            )
        )
    log.close()
    return root


@pytest.fixture
def project(seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredProject:
    monkeypatch.setenv(ROOT_VARIABLE, str(seen))
    clips = pd.DataFrame(columns=["clip_id", "media_sha256", "text_sha256", "group", "feed"])
    data = {
        "label_requests": [],
        "clips": clips,
        "rule_annotations": table([], ANNOTATIONS),
        "label_rules": tmp_path / "rules.py",
        "annotations": table([], ANNOTATIONS),
        "rejects": pd.DataFrame(columns=["clip_id", "path", "reason", "detail"]),
        "earlier_splits": table([], SPLITS),
        "prediction_log": str(seen / "log"),
        "served_champions": {},
        "tombstones": NOTHING_ERASED,
    }
    data |= {"capabilities_resolved": SimpleNamespace(active={"topic": Capability(classes=("a", "b"))})}
    data |= {"drift": drift_told("drift"), "labels": pd.DataFrame(columns=["clip_id", "capability", "label", "source"])}
    data |= {"earlier_served_quality": {"topic": {"model_version": "v1", "accuracy": 0.9, "low": 0.82, "high": 0.95}}}
    data["earlier_served_quality"]["topic"] |= {"clips": 90, "units": 90}
    return StoredProject(tmp_path, data)


def work(project: StoredProject, number: int, action: str, clips: int, audit: int = 0) -> Work:
    decided = {"action": action, "clips": clips, "audit": audit, "window": WINDOW, "champions": {"topic": "v1"}}
    begun = Iteration.begin(number, "", 0.0).beginning(StepName.DECIDE)
    iteration = begun.ending(StepName.DECIDE, 1.0, decided, {}, StepName.CHOOSE)
    divided = SplitOptions(train=0.5, validation=0.15, test=0.35, salt="17")
    parameters = {
        "collect": SimpleNamespace(split=divided),
        "seed": 17,
        "evaluate": EvaluateOptions(bootstrap_draws=100),
        "label": LabelOptions(rules=[RULE]),
    }
    return Work(project, iteration, parameters, IterateOptions(), Standing(), lambda _: None)


def answered(project: StoredProject, wrong: int = 0) -> None:
    """Let people answer all that was asked for: the champion's word, but for so many clips."""
    names = [one.clip_id for one in project.data["label_requests"] if one.clip_id]
    numbers = [int(name.removeprefix("c")) for name in names]
    project.data["clips"] = pd.DataFrame(
        {
            "clip_id": names,
            "media_sha256": "",
            "text_sha256": [text_sha256(clean_caption(caption(number))) for number in numbers],
            "group": [f"creator:writer {number}" for number in numbers],
            "feed": "served",
        }
    )
    labels = ["a" if (number % 10 > 0) != (place < wrong) else "b" for place, number in enumerate(numbers)]
    project.data["labels"] = pd.DataFrame({"clip_id": names, "capability": "topic", "label": labels, "source": "human"})


def audited(project: StoredProject, wrong: int) -> Outcome:
    choose_clips(work(project, 7, "audit", 30))
    answered(project, wrong)
    return audit(work(project, 7, "audit", 30))


def test_an_audit_asks_about_random_test_clips_of_the_window_alone(project) -> None:
    chosen = choose_clips(work(project, 7, "audit", 30))
    assert chosen.facts == {"requested": 30, "test": 30, "random": 0, "value": 0, "along": 0}
    asked = project.data["label_requests"]
    assert {one.purpose for one in asked} == {Purpose.TEST}
    assert all(int(one.clip_id.removeprefix("c")) >= OUTSIDE for one in asked)
    assert (choose_clips(work(project, 7, "audit", 30)).facts, project.data["label_requests"]) == (chosen.facts, asked)


@pytest.mark.parametrize(("cross_fitted", "splits"), [(None, {"test"}), (np.zeros((0, 2)), {"test", "rest"})])
def test_where_champions_are_cross_fitted_new_creators_of_all_splits_are_audited(project, cross_fitted, splits) -> None:
    project.data["served_champions"] = {"topic": SimpleNamespace(cross_fitted=cross_fitted)}
    choose_clips(work(project, 7, "audit", 30))
    divided = SplitOptions(train=0.5, validation=0.15, test=0.35, salt="17")
    numbers = [one.clip_id.removeprefix("c") for one in project.data["label_requests"]]
    found = [split_of(f"creator:writer {number}", divided) for number in numbers]
    assert {"test" if one == "test" else "rest" for one in found} == splits
    assert len(found) == 30


def test_champions_as_good_as_on_their_own_test_clips_are_fit(project) -> None:
    found = audited(project, wrong=1)
    assert found.upcoming is StepName.SETTLE
    row = found.facts["effect"]["topic"]
    assert (row["right"], row["clips"], row["fit"], row["serves"]) == (29, 30, True, "v1")
    assert "it answers 29 of 30 right (97%; 90% of its own test clips): a fall by 5 points is ruled out" in found.told
    assert found.told.endswith("nothing is trained")


def test_a_training_after_an_audit_tests_on_its_clips_and_as_many_more_as_its_share_wants(project) -> None:
    found = audited(project, wrong=12)
    assert found.facts["effect"]["topic"]["fit"] is False
    tests = {one.clip_id for one in project.data["label_requests"]}
    chosen = choose_clips(work(project, 8, "retrain", 30, audit=7))
    assert (chosen.facts["requested"], chosen.facts["test"]) == (30, 36), "three in five of both together"
    assert tests < drawn_for_test(last_asked(project.data["label_requests"])), "the gate takes them for fresh"
    mine = [one for one in project.data["label_requests"] if one.iteration == "0008"]
    assert len({one.clip_id for one in mine}) == 60
    assert not tests & {one.clip_id for one in mine if one.purpose is not Purpose.TEST}


def test_with_what_a_training_asks_for_go_clips_that_rules_answer_about(project) -> None:
    chosen = choose_clips(work(project, 8, "retrain", 30))
    asked = {one.clip_id for one in project.data["label_requests"]}
    served = [row["clip_id"] for row in ServedClips(project.root / PLACE).rows()]
    along = set(served) - asked
    assert len(served) == len(asked) + len(along)
    assert (len(asked), len(along)) == (30, chosen.facts["along"])
    assert chosen.told.endswith(f"; {len(along)} more are taken along, since rules answer about them")
    ruled = [number for number in range(100, 200) if f"c{number}" not in asked]
    divided = SplitOptions(train=0.5, validation=0.15, test=0.35, salt="17")
    assert along == {f"c{number}" for number in ruled if split_of(f"creator:writer {number}", divided) != "test"}
    assert choose_clips(work(project, 8, "retrain", 30)).facts == chosen.facts, "as after a kill"


def rules_said(project: StoredProject, label: str, annotator: str, version: str) -> None:
    """A rule said `a` of clips of which people say something."""
    audited(project, wrong=12)
    names = [name for name in project.data["clips"]["clip_id"] if len(name) == 4]
    said = pd.DataFrame({"clip_id": names, "capability": "topic", "label": "a", "annotator": annotator})
    project.data["rule_annotations"] = table(said.assign(kind="rule", version=version), ANNOTATIONS)
    project.data["annotations"] = table(said.assign(label=label, annotator="ann", kind="human"), ANNOTATIONS)


CURRENT = RegexRule.model_validate(RULE).version


@pytest.mark.parametrize(
    ("label", "version", "goes"),
    [("a", CURRENT, True), ("b", CURRENT, False), ("b", "of before it was corrected", True)],
)
def test_nothing_goes_along_for_a_rule_that_people_have_shown_to_be_wrong(project, label, version, goes) -> None:
    rules_said(project, label, "hundreds", version)
    chosen = choose_clips(work(project, 8, "retrain", 30, audit=7))
    assert (chosen.facts["along"] > 0) is goes


def test_nothing_goes_along_where_a_function_is_shown_to_be_wrong_either(project) -> None:
    file = project.data["label_rules"]
    file.write_text(
        "from cu_pipeline.labeling.sources.rules import rule\n\n\n@rule('topic')\ndef guess(clip):\n    return 'a'\n"
    )
    (guess,) = load_rules(file)
    rules_said(project, "b", "guess", guess.version)
    assert choose_clips(work(project, 8, "retrain", 30, audit=7)).facts["along"] == 0


def test_what_collect_refuses_takes_no_place_among_what_goes_along_again(project) -> None:
    settings = IterateOptions.model_validate({"choose": {"along": 5}})

    def taken() -> set[str]:
        before = {one.clip_id for one in project.data["label_requests"]}
        number = 8 + len(before)
        chosen = choose_clips(replace(work(project, number, "retrain", 2), options=settings))
        asked = {one.clip_id for one in project.data["label_requests"]}
        assert chosen.told.endswith("; 5 more are taken along, since rules answer about them")
        return {row["clip_id"] for row in ServedClips(project.root / PLACE).rows()} - asked

    first = taken()
    refused = sorted(first)[:2]
    project.data["rejects"] = pd.DataFrame({"clip_id": refused, "path": "", "reason": "decode", "detail": ""})
    again = taken()
    assert len(again - first) == 2, "for each that was refused another one; the others are still to come"


def test_what_was_erased_and_came_again_is_neither_asked_about_nor_taken_along(project, tmp_path) -> None:
    choose_clips(work(project, 8, "retrain", 30))
    taken = sorted(row["clip_id"] for row in ServedClips(project.root / PLACE).rows())
    numbers = [name.removeprefix("c") for name in taken]
    creators = [f"writer {number}" for number in numbers[::2]]
    file = tmp_path / "erased.jsonl"
    bury(file, clips=taken[1::2], creators=creators, contents=[], at="2026-03-04T12:00:00+00:00", reason="")
    project.data["tombstones"] = read_tombstones(file)
    again = StoredProject(tmp_path / "again", project.data | {"label_requests": []})
    assert choose_clips(work(again, 8, "retrain", 30)).facts["requested"] == 30
    assert not {row["clip_id"] for row in ServedClips(again.root / PLACE).rows()} & set(taken)


def test_what_an_iteration_that_was_given_up_asked_for_is_not_counted_as_taken_along(project) -> None:
    choose_clips(work(project, 7, "audit", 30))
    along = choose_clips(work(project, 8, "retrain", 30)).facts["along"]
    asked = {one.clip_id for one in project.data["label_requests"]}
    assert along == len(ServedClips(project.root / PLACE).rows()) - len(asked)


def test_without_enough_test_clips_there_is_no_audit_and_the_training_draws_its_own(project) -> None:
    none = choose_clips(work(project, 7, "audit", 10))
    assert (none.facts, none.upcoming) == ({"requested": 0}, StepName.AUDIT)
    assert none.told.startswith(f"the champions answered about {CLIPS - OUTSIDE} clips of the latest window")
    assert "of 10 that may be asked about, 10 could be drawn to test on (of the test split, 8 of one" in none.told
    found = audit(work(project, 7, "audit", 10))
    assert found.facts["effect"]["topic"]["fit"] is None
    assert "not known to be fit, so it is trained" in found.told
    assert choose_clips(work(project, 8, "retrain", 60, audit=7)).facts["test"] == 36


def test_what_people_leave_out_or_others_answered_is_not_counted(project) -> None:
    choose_clips(work(project, 7, "audit", 30))
    answered(project)
    project.data["labels"] = project.data["labels"].iloc[:20].assign(source="human")
    begun = work(project, 7, "audit", 30)
    assert audit(begun).facts["effect"]["topic"]["clips"] == 20
    steps = [replace(one, facts=one.facts | {"champions": {"topic": "v2"}}) for one in begun.iteration.steps]
    other = audit(replace(begun, iteration=replace(begun.iteration, steps=tuple(steps))))
    assert other.facts["effect"]["topic"]["fit"] is None

import json
from dataclasses import replace

import pytest

from cu_pipeline.core.errors import StoreError
from cu_pipeline.iterate.evidence import challengers, lacking_evidence
from cu_pipeline.iterate.ledger import IterationLine, IterationLog
from cu_pipeline.iterate.outcome import line_of
from cu_pipeline.iterate.state import Iteration, Status, StepName
from cu_pipeline.iterate.verdicts import Standing, Verdict, Word
from cu_pipeline.iterate.words import history_table, status_lines

GATE = {
    "topic": {"decision": "promote", "champion": "old", "challenger": "new", "effect": 0.1, "reasons": ["better"]},
    "mood": {"decision": "promote", "champion": None, "challenger": "first", "effect": None, "reasons": ["alone"]},
}


def after(*steps: tuple[StepName, dict]) -> Iteration:
    found = Iteration.begin(3, "", 1.0)
    for name, facts in steps:
        found = found.beginning(name).ending(name, 2.0, facts, {}, StepName.SETTLE)
    return found


RETRAIN = (StepName.DECIDE, {"action": "retrain", "reason": "neon", "cause": {"kind": "new_style"}})
CHOSEN = (StepName.CHOOSE, {"requested": 9})


@pytest.mark.parametrize(
    ("steps", "outcome", "reason"),
    [
        ([(StepName.DECIDE, {"action": "nothing", "reason": "no drift"})], "nothing", "no drift"),
        ([(StepName.DECIDE, {"action": "alert", "reason": "captions are empty"})], "alerted", "captions are empty"),
        ([RETRAIN, (StepName.CHOOSE, {"requested": 0})], "kept", "too few clips"),
        ([RETRAIN, CHOSEN, (StepName.TRAIN, {"gate": GATE})], "kept", "the gate did not show"),
        (
            [
                RETRAIN,
                CHOSEN,
                (StepName.TRAIN, {"gate": GATE}),
                (StepName.APPROVE, {"refused": {"topic": "few clips"}}),
            ],
            "kept",
            "topic: few clips",
        ),
        (
            [RETRAIN, CHOSEN, (StepName.TRAIN, {"gate": GATE}), (StepName.DELIVER, {"serving": {"topic": "new"}})],
            "promoted",
            "topic",
        ),
    ],
)
def test_an_iteration_is_summed_up(steps: list, outcome: str, reason: str) -> None:
    line = line_of(after(*steps), 3.5, vetoed=False)
    assert (line.outcome, reason in line.reason) == (outcome, True)
    assert line.cost["paid_usd"] == 2.5
    assert set(line.seconds.values()) == {2.0}


def test_a_person_s_reason_is_kept_where_nothing_was_decided() -> None:
    begun = Iteration.begin(3, "new words", 1.0)
    assert line_of(begun, 3.5, vetoed=True).cause == {"kind": "by_hand", "in_words": "new words"}
    assert line_of(replace(begun, trigger=""), 3.5, vetoed=True).cause == {}


def test_labels_by_people_must_stand_behind_a_promotion() -> None:
    found = challengers(GATE)
    assert [one.capability for one, _ in lacking_evidence(found, 15)] == ["topic"], "mood serves nobody yet"
    fresh = {"topic": GATE["topic"] | {"fresh": {"clips": 15, "effect": 0.2}}}
    assert not list(lacking_evidence(challengers(fresh), 15))
    assert "people labelled 15 test clips" in next(why for _, why in lacking_evidence(challengers(fresh), 16))
    unchanged = {"topic": GATE["topic"] | {"champion": "new"}}
    assert not challengers(unchanged)[0].promoted


def test_the_ledger_gives_back_what_was_entered_and_overlooks_what_later_versions_add(tmp_path) -> None:
    log = IterationLog(tmp_path / "iterations.jsonl")
    line = line_of(after(RETRAIN, CHOSEN), 0.0, vetoed=True)
    log.append([line])
    log.path = tmp_path / "iterations.jsonl"
    text = log.path.read_text().replace('{"number"', '{"later": 1, "number"')
    log.path.write_text(text)
    assert list(log.records()) == [line]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cost": {"committed_usd": None}}, r"cost\.committed_usd: Input should be a valid number \(not None\)"),
        ({"cost": {"asked": "three"}}, r"cost\.asked: Input should be a valid integer \(not 'three'\)"),
        ({"seconds": []}, r"seconds: Input should be a valid dictionary"),
        ({"seconds": {"train": None}}, r"seconds\.train"),
        ({"ended": None}, r"ended: Input should be a valid string"),
        ({"started": "2026-11-27T02:45:09"}, r"started: .*offset from UTC"),
        ({"started": "yesterday"}, r"started: .*Invalid isoformat string"),
        ({"window": {"end": 5}}, r"window\.end"),
        ({"effect": {"topic": None}}, r"effect\.topic"),
        ({"effect": {"topic": {"fresh_interval": [0.1]}}}, r"fresh_interval"),
        ({"effect": {"topic": {"fresh_interval": [0.0, 0.1]}}}, r"without fresh_effect"),
        ({"number": "7"}, r"number: Input should be a valid integer"),
        ({"cause": "drift"}, r"cause"),
    ],
)
def test_a_line_that_was_edited_wrongly_is_named_with_what_is_wrong_and_the_remedy(tmp_path, change, told) -> None:
    log = IterationLog(tmp_path / "iterations.jsonl")
    good = IterationLog.encode(line_of(after(RETRAIN, CHOSEN), 0.0, vetoed=True))
    (tmp_path / "iterations.jsonl").write_text(json.dumps(good) + "\n" + json.dumps(good | change) + "\n")
    with pytest.raises(StoreError, match=rf"iterations\.jsonl line 2 is damaged \(.*{told}.*delete that line"):
        list(log.records())


@pytest.mark.parametrize("line", ["{", "[]", "null", "7", '{"number": 1}', '"text"'])
def test_a_line_that_is_none_is_named(tmp_path, line) -> None:
    (tmp_path / "iterations.jsonl").write_text(line + "\n")
    with pytest.raises(StoreError, match="line 1 is damaged"):
        list(IterationLog(tmp_path / "iterations.jsonl").records())


def test_half_a_line_at_the_end_does_not_count(tmp_path) -> None:
    log = IterationLog(tmp_path / "iterations.jsonl")
    line = line_of(after(RETRAIN, CHOSEN), 0.0, vetoed=True)
    log.append([line])
    whole = (tmp_path / "iterations.jsonl").read_text()
    (tmp_path / "iterations.jsonl").write_text(whole + whole[:50])
    assert list(log.records()) == [line]


AUDIT = {"champion": "old", "serves": "old", "clips": 30, "right": 20, "accuracy": 2 / 3, "fit": False, "why": "worse"}


def test_an_audit_is_summed_up_as_what_people_say_of_the_champions() -> None:
    decided = {"action": "audit", "reason": "neon", "window": {"start": "s", "end": "e"}}
    one = after((StepName.DECIDE, decided), CHOSEN, (StepName.AUDIT, {"effect": {"topic": AUDIT}, "told": "20 of 30"}))
    line = line_of(one, 3.5, vetoed=False)
    assert (line.outcome, line.reason, line.found_worse, line.window["end"]) == ("audited", "20 of 30", True, "e")
    assert not replace(line, effect={"topic": AUDIT | {"fit": True}, "safety": AUDIT | {"fit": None}}).found_worse
    assert replace(line, effect={"topic": AUDIT | {"fit": None}}).found_worse, "nothing is known"
    assert history_table([line])[1].split()[-5:-1] == ["20", "of", "30", "right"]
    assert "  audit " in "\n".join(status_lines(one, Standing()))


def test_the_history_is_a_table() -> None:
    gain = {"topic": {"effect": 0.01, "fresh_effect": 0.123}, "safety": {"effect": -0.02, "fresh_effect": None}}
    one = IterationLine(
        1, "2026-11-27T02:45:09+00:00", "2026-11-27T02:55:09+00:00", "retrain", "promoted", "", {"kind": "new_style"},
        cost={"answered": 120, "paid_usd": 9.6}, effect=gain, seconds={"train": 90.0},
    )  # fmt: skip
    head, row = history_table([one])
    assert row.split() == [
        "1", "2026-11-27", "02:45", "new", "style", "retrain", "promoted", "120", "$9.60", "topic", "+12.3", "(fresh",
        "clips),", "safety", "-2.0", "1.5",
    ]  # fmt: skip
    assert head.startswith("no.")
    assert history_table([]) == ["no iteration is over yet"]


def test_status_tells_what_it_waits_for_and_who_holds_it() -> None:
    assert status_lines(None, Standing()) == ["no iteration yet: `kedro iterate`"]
    held = Standing(hold=Verdict(Word.HOLD, 0, "ann", "2026-11-27T02:45:09+00:00", "a holiday"))
    waiting = Iteration(3, "t", status=Status.WAITING, reason="9 clips wait", steps=after(RETRAIN, CHOSEN).steps)
    first, second, *rest = status_lines(waiting, held)
    assert first == "held by ann, 2026-11-27T02:45:09+00:00: a holiday"
    assert second.endswith("waits: 9 clips wait")
    assert any("9 clips are asked for" in line for line in rest)


def test_status_tells_in_words_what_came_of_each_step() -> None:
    sent = {"people": "label_studio", "place": "http://studio cu-pipeline", "clips": 9, "committed_usd": 0.4}
    better = {"promoted": ["topic"], "refused": {"mood": "too few labels"}, "way": "at once"}
    one = after(
        RETRAIN, CHOSEN, (StepName.ASK_PEOPLE, sent), (StepName.TRAIN, {"gate": GATE}), (StepName.APPROVE, better)
    )
    told = "\n".join(status_lines(one, Standing()))
    for words in (
        "9 clips, $0.40, http://studio cu-pipeline",
        "topic better",
        "topic promoted; mood is not promoted: too few labels",
    ):
        assert words in told
    assert not any(sign in told for sign in "[{'_")

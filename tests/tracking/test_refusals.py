import json
from pathlib import Path

from cu_pipeline.tracking.promotions import Promotion, taken_back
from cu_pipeline.tracking.refusals import refuse


def entries(ledger: Path) -> list[Promotion]:
    return [Promotion.from_json(json.loads(line)) for line in ledger.read_text().splitlines()]


def test_a_refused_challenger_is_not_promoted_by_the_gate_and_the_champion_stays(tmp_path: Path) -> None:
    ledger = tmp_path / "promotions.jsonl"
    assert refuse(ledger, {"topic": ("old", "new"), "mood": (None, "first")}, "vetoed") == ["topic", "mood"]
    topic, mood = entries(ledger)
    assert (topic.before, topic.after, topic.cause, topic.reason) == ("old", "old", "iterate", "vetoed")
    assert taken_back([topic]) == {"new"}
    assert (mood.before, mood.after) == (None, None)


def test_a_process_that_was_killed_may_refuse_again(tmp_path: Path) -> None:
    ledger = tmp_path / "promotions.jsonl"
    refuse(ledger, {"topic": ("old", "new")}, "vetoed")
    assert refuse(ledger, {"topic": ("old", "new")}, "vetoed") == []
    assert len(entries(ledger)) == 1
    promoted = Promotion.now("topic", ("old", "new"), "promote", "after all")
    ledger.write_text(ledger.read_text() + json.dumps(promoted.as_json()) + "\n")
    assert refuse(ledger, {"topic": ("old", "new")}, "vetoed again") == ["topic"]

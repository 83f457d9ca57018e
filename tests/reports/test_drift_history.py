import json

from tests.drift_files import drift_told

from cu_pipeline.reports.drift_history import past_look, read_history, with_look, within_horizon, write_history
from cu_pipeline.reports.drift_told import read_drift


def looks_of(*numbers, most=60):
    looks = []
    for number in numbers:
        looks = with_look(looks, past_look(read_drift(drift_told(number=number)), 1.5), most)
    return looks


def test_a_look_counts_once_and_the_oldest_go():
    assert [look.id for look in looks_of(1, 3, 2, 3)] == ["look1", "look2", "look3"]
    assert [look.id for look in looks_of(1, 2, 3, most=2)] == ["look2", "look3"]


def test_the_history_comes_back_from_its_file_and_damage_costs_one_look():
    looks = looks_of(1, 2)
    written = json.loads(json.dumps(write_history(looks)))
    assert read_history(written) == looks
    written["looks"][0] = {"id": "torn"}
    assert read_history(written) == looks[1:]
    assert read_history({}) == []


def test_the_horizon_counts_from_the_last_look():
    assert [look.id for look in within_horizon(looks_of(1, 2, 3), 1.5)] == ["look2", "look3"]
    assert within_horizon([], 30) == []


def test_where_no_answer_was_seen_there_is_nothing_to_remember():
    found = drift_told("not_enough_data")
    found["look"]["time"] = None
    assert past_look(read_drift(found), 1.5) is None
    assert with_look(looks_of(1), None, 60) == looks_of(1)

import json
from datetime import timedelta

from tests.drift_files import NOON, drift_told

from cu_pipeline.reports.drift_history import past_look, read_history, spent_alpha, with_look, write_history
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


def test_what_looks_spent_is_summed_over_the_horizon():
    looks = looks_of(1, 2, 3)
    assert spent_alpha(looks, NOON + timedelta(days=2), 1.5) == 2 * 0.0123

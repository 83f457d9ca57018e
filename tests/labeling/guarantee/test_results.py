"""Records of earlier versions are read as they are: the account of alpha must not be lost or spent anew."""

import json
from pathlib import Path

from cu_pipeline.datasets.objects import JSONObjectLog
from cu_pipeline.labeling.guarantee.alpha_spending import standing
from cu_pipeline.labeling.guarantee.outcome import Guarantee
from cu_pipeline.labeling.guarantee.results import CertificationTest

TEST = (
    '{"capability": "topic", "delta": 0.025, "labels": {"c1": "a", "c2": "b"}, "terms": {"alpha": 0.05, "delta": 0.05, '
    '"machines": {"llm": ["prompt@1 m"], "model": ["9f"], "rule": []}, "offered": true, "per_class": false, '
    '"version": "v"}, "verdicts": [{"accepted": 2, "answer": "", "more_labels": 0, "p_value": 0.01, %s'
    '"thresholds": {"llm": 0.9, "rule": 0.8}, "wrong": 0}]}'
)
TERMS = {
    "alpha": 0.05, "delta": 0.05, "per_class": False, "version": "v", "eligible": True,
    "sources": {"rule": [], "model": ["9f"], "llm": ["prompt@1 m"]},
}  # fmt: skip


def test_a_test_of_an_earlier_version_answers_the_same_question(tmp_path: Path) -> None:
    path = tmp_path / "calibration_tests.jsonl"
    path.write_text(TEST % '"sequence": ["llm", "rule"], ' + "\n" + TEST % "" + "\n")
    name = "cu_pipeline.labeling.guarantee.results.CertificationTest"
    tests = JSONObjectLog(filepath=str(path), of=name).load()
    wanted = CertificationTest("topic", TERMS, {"c2": "b", "c1": "a"}, 0.0)
    found = standing(wanted, tests)
    assert (found.due, found.holds, found.holds.delta) == (None, tests[1], 0.025)
    assert [one.results[0].sequence for one in tests] == [["llm", "rule"], ["rule", "llm"]]
    assert CertificationTest.from_json(json.loads(json.dumps(tests[0].as_json()))) == tests[0]


def test_a_guarantee_of_an_earlier_version_is_read() -> None:
    calibration = {"sample": "feed", "clips": 2, "tested": 2, "left_out": {"learned": 1}}
    numbers = dict.fromkeys(("pool", "accepted", "pool_awaited", "llm_clips_spared", "answers_awaited"), 0)
    shares = dict.fromkeys(("coverage", "error_bound", "labels_needed"))
    money = {"delta_of_this_test": 0.025, "delta_spent": 0.025, "delta_left": 0.025, "human_price": 0.04}
    record = {"alpha": 0.05, "delta": 0.05, "per_class": False, "calibration": calibration, "sources": []}
    record |= numbers | shares | money | {"cost_per_correct": {"value": 0.04, "ci95": None}}
    record |= {"verdicts": json.loads(TEST % "")["verdicts"], "pool_left_out": {"limit": 3}, "words": "topic: ..."}
    found = Guarantee.from_json(record)
    assert (found.message, found.pool_ineligible, found.calibration["ineligible"]) == (
        "topic: ...",
        {"limit": 3},
        {"learned": 1},
    )
    assert found.results[0].thresholds == {"llm": 0.9, "rule": 0.8}
    assert Guarantee.from_json(json.loads(json.dumps(found.as_json()))) == found

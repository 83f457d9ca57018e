import json
from dataclasses import replace

import numpy as np
import pandas as pd

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.labeling.guarantee.certification import SourceAnswers, accepted_by
from cu_pipeline.labeling.guarantee.results import SUREST, CertificationResult, CertificationTest
from cu_pipeline.labeling.guarantee.thresholds import threshold_paths
from cu_pipeline.labeling.sources.source import Source, most_confident, sources_say

TOPIC = Capability(classes=("a", "b"))
TERMS = {"alpha": 0.05, "delta": 0.05, "per_class": False, "sources": {}}


def _source(kind: str, answers: list[str], confidence: list[float], price: float = 0.0) -> Source:
    said = np.array(answers, dtype=object)
    sure = np.where(said == "", -np.inf, np.array(confidence))
    return Source(kind, np.zeros((len(said), 2)), (said != "").astype(int), said, sure, price, ("1",))


def _result(answer: str = "", **thresholds: float) -> CertificationResult:
    return CertificationResult(answer, thresholds, 1, 0, 0.0, 0, list(thresholds))


def test_clips_that_a_machine_says_nothing_about_are_never_accepted() -> None:
    pool = np.array([[0.8], [0.7], [-np.inf], [-np.inf]])
    for path in threshold_paths(pool):
        assert np.isfinite(path).all()
    assert np.isinf(threshold_paths(np.full((3, 1), -np.inf))[0]).all()
    silent = _source("rule", ["a", ""], [0.8, 0.0])
    assert accepted_by([silent], [_result(rule=0.0)], 2).tolist() == [0, -1]


def test_the_cheapest_machine_that_is_sure_enough_is_taken() -> None:
    rule, llm = _source("rule", ["a", "a", ""], [0.9, 0.5, 0]), _source("llm", ["b", "b", "b"], [0.9, 0.8, 0.1], 0.01)
    both = _result(rule=0.8, llm=0.7)
    assert accepted_by([rule, llm], [both], 3).tolist() == [0, 1, -1]
    assert accepted_by([rule, llm], [_result(llm=0.85)], 3).tolist() == [1, -1, -1]
    assert accepted_by([], [both], 3).tolist() == [-1, -1, -1]
    assert most_confident([rule, llm], 3).tolist() == [0, 1, 1]
    each = [
        CertificationResult("a", {SUREST: 0.95}, 1, 0, 0.0, 0),
        CertificationResult("b", {SUREST: 0.5}, 1, 0, 0.0, 0),
    ]
    assert accepted_by([rule, llm], each, 3).tolist() == [-1, 1, -1]


def test_sources_accept_in_the_order_of_their_test_whatever_they_cost_now() -> None:
    rule, llm = _source("rule", ["a", "a"], [0.9, 0.9], 0.02), _source("llm", ["b", "b"], [0.9, 0.1], 0.01)
    tested = CertificationResult("", {"llm": 0.5, "rule": 0.5}, 1, 0, 0.0, 0, ["rule", "llm"])
    assert accepted_by([llm, rule], [tested], 2).tolist() == [1, 1]
    assert accepted_by([llm, rule], [replace(tested, sequence=["llm", "rule"])], 2).tolist() == [0, 1]
    assert accepted_by([llm], [tested], 2).tolist() == [0, -1]
    assert accepted_by([llm], [tested.before("llm")], 2).tolist() == [-1, -1]
    kept = CertificationTest.from_json(
        json.loads(json.dumps(CertificationTest("t", {}, {}, 0.1, [tested]).as_json(), sort_keys=True))
    )
    assert kept.results[0].sequence == ["rule", "llm"]


def test_annotators_of_one_kind_speak_with_one_voice() -> None:
    rows = [("1", "rule", "x", 0.8), ("1", "rule", "y", 0.2), ("2", "rule", "x", 0.8), ("2", "llm", "m", 0.6)]
    annotations = pd.DataFrame(
        [
            {"clip_id": clip, "kind": kind, "annotator": who, "price": 0.1 * (kind == "llm"), "version": who}
            | {"label": "a" if p >= 0.5 else "b", "probabilities": f'{{"a": {p}, "b": {1 - p:.1f}}}'}
            for clip, kind, who, p in rows
        ]
    )
    rule, llm = sources_say(annotations, pd.Index(["1", "2", "3"]), TOPIC)
    assert (rule.name, llm.name, llm.price) == ("rule", "llm", 0.1)
    assert rule.confidence.tolist() == [0.5, 0.8, -np.inf]
    assert rule.answers.tolist()[1:] == ["a", ""]
    assert rule.versions == ("x", "y")


def test_a_multi_label_answer_is_right_only_as_a_whole() -> None:
    safety = Capability(kind=Kind.MULTI, classes=("advert", "violence"))
    truth = np.array(["advert"] * 150 + ["none"] * 150, dtype=object)
    partly = np.where(np.arange(300) % 2 == 0, "advert|violence", truth)
    source = _source("rule", partly.tolist(), [0.9] * 300)
    wholly = _source("rule", truth.tolist(), [0.9] * 300)
    trial = CertificationTest("safety", TERMS, {}, 0.025)
    (refused,) = SourceAnswers(safety, [source], truth, [source], 0.04).certify(trial)
    (passed,) = SourceAnswers(safety, [wholly], truth, [wholly], 0.04).certify(trial)
    assert (refused.thresholds, passed.thresholds) == ({}, {"rule": 0.9})
    per_answer = CertificationTest("safety", {**TERMS, "per_class": True}, {}, 0.025)
    each = SourceAnswers(safety, [source], truth, [source], 0.04).certify(per_answer)
    assert not any(one.thresholds for one in each)
    each = SourceAnswers(safety, [wholly], truth, [wholly], 0.04).certify(per_answer)
    assert {one.answer: bool(one.thresholds) for one in each} == {"advert": True, "none": True}

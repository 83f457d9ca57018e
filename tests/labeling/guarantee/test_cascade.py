import numpy as np

from cu_pipeline.core.records import AnnotatorKind
from cu_pipeline.labeling.guarantee.cascade import accepted_before
from cu_pipeline.labeling.guarantee.results import SUREST, Verdict
from cu_pipeline.labeling.sources.source import Machine


def _machine(kind: str, *confidence: float) -> Machine:
    sure = np.array(confidence)
    clips = len(sure)
    answers, voters = np.full(clips, "a", dtype=object), np.ones(clips, dtype=np.int64)
    return Machine(AnnotatorKind(kind), np.zeros((clips, 2)), voters, answers, sure, 0.0, ("1",))


def _before(*sequence: str, machines: tuple[Machine, ...]) -> list[bool]:
    verdict = Verdict("", dict.fromkeys(sequence, 0.5), 1, 0, 0.0, 0, list(sequence))
    return accepted_before(machines, [verdict], 2).tolist()


def test_only_machines_before_the_language_model_spare_it() -> None:
    machines = (_machine("rule", 0.9, 0.1), _machine("model", 0.1, 0.9))
    assert _before("rule", "model", "llm", machines=machines) == [True, True]
    assert _before("rule", "llm", "model", machines=machines) == [True, False]
    assert _before("llm", "rule", "model", machines=machines) == [False, False]
    assert _before("llm", machines=machines) == [False, False]


def test_where_the_language_model_accepts_nothing_any_accepting_machine_spares_it() -> None:
    machines = (_machine("rule", 0.9, 0.1), _machine("model", 0.1, 0.1))
    assert _before("rule", "model", machines=machines) == [True, False]
    assert _before("rule", "model", machines=()) == [False, False]


def test_the_surest_machine_is_known_only_when_all_have_answered() -> None:
    assert _before(SUREST, machines=(_machine("rule", 0.99, 0.99),)) == [False, False]

"""Names of very different lengths, and names that look like each other or like the rest of the answer."""

import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.llm.clients.formats import pick
from cu_pipeline.llm.clients.protocol import Answer, Generated, Scored
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.interpret import calibrated, interpret
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task

MULTI_SETS = (("everyday life", "x"), ("a", "b", "a, b"), ("nothing", "x"), ("no", "violence"))


def _plan(names: tuple[str, ...], kind: Kind, method: str) -> Plan:
    task = Task("topic", Capability(kind=kind, classes=names), "everyday life", ("N/A",), 100)
    return plan(Recipe(prompt="p", template="{{ text }}:", method=method), task, [ClipInputs("soup")], Pool())


def test_a_name_too_unlikely_for_a_number_is_calibrated_like_any_other() -> None:
    found = calibrated(np.array([[-5.0, -2500.0], [-5.0, -2390.0]]), np.array([[-6.0, -2400.0]]))
    assert found[0] == pytest.approx([1.0, 0.0], abs=1e-9)
    assert found[1] == pytest.approx([1 / (1 + np.exp(9)), 1 / (1 + np.exp(-9))])
    mean = calibrated(np.array([[-1000.0, -1.0]]), np.array([[-1000.0, -1.0], [-1001.0, -1.0]]))
    assert mean[0, 0] == pytest.approx(2 / (3 + np.exp(-1)))


@pytest.mark.parametrize("method", ["score_content_free", "score_batch"])
@pytest.mark.parametrize("kind", list(Kind))
def test_names_of_very_different_lengths_have_finite_probabilities(kind: Kind, method: str) -> None:
    asked = _plan(("a", "游" * 100), kind, method)
    scores = (-4.0, -2000.0, -9.0)[: 2 if kind is Kind.SINGLE else 3]
    known: dict[str, Answer] = {one.key("m"): Scored(scores, 1) for one in asked.everything}
    said = interpret(asked, known, "m", np.array([0.3, 0.7]))
    assert said.answered.all()
    assert said.probabilities == pytest.approx(np.array([[0.3, 0.7]]))
    assert np.isfinite(said.bias).all()


@pytest.mark.parametrize(
    "choices", [("C", "C."), ('"x"', "x"), ('{"answer": "x"}', "x"), ("art", "Art"), (".", "!"), ("*", "**")]
)
def test_the_choice_that_was_written_to_the_letter_is_meant(choices: tuple[str, ...]) -> None:
    assert [pick(f" {one}", choices) for one in choices] == list(choices)


@pytest.mark.parametrize("names", MULTI_SETS, ids=repr)
def test_each_combination_that_is_chosen_is_the_one_that_is_read(names: tuple[str, ...]) -> None:
    asked = _plan(names, Kind.MULTI, "choose")
    read = set()
    for choice in asked.task.choices("plain"):
        known: dict[str, Answer] = {asked.questions[0].key("m"): Generated(choice, 1)}
        said = interpret(asked, known, "m", np.full(len(names), 0.5))
        assert said.answered.all()
        read.add(tuple(said.probabilities[0]))
    assert len(read) == 2 ** len(names)


def test_no_class_is_called_as_what_says_that_none_holds() -> None:
    usual = Task("t", Capability(kind=Kind.MULTI, classes=("x", "y")), "everyday life", ("N/A",), 100)
    assert usual.answers("plain") == ("x", "y", "everyday life")
    both = Capability(kind=Kind.MULTI, classes=("everyday life", "none of these"))
    answers = Task("t", both, "everyday life", ("N/A",), 100).answers("plain")
    assert answers[:2] == both.classes
    assert len(set(answers)) == 3

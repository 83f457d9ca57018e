import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.multiple_tests import holm
from cu_pipeline.evaluation.mcnemar import mcnemar
from cu_pipeline.llm.lab.development import Development, Labelled
from cu_pipeline.llm.lab.measuring import Measured, Statistics, against_base_rate, right_of
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.interpret import Interpretation
from cu_pipeline.llm.methods.recipe import Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task

STATISTICS = Statistics(lambda *_: {}, mcnemar, holm, draws=1000, seed=1)
SAFETY = Capability(kind=Kind.MULTI, classes=("advert", "violence"))


def _development(truth: list[list[bool]]) -> Development:
    clips = Labelled((ClipInputs("x"),) * len(truth), np.array(truth, dtype=bool))
    return Development(Task("safety", SAFETY, "x", ("",), 9), clips, clips, Pool(), np.array([0.2, 0.2]), "none")


def _measured(*shares: float) -> list[Measured]:
    rights = [np.array([np.arange(40) < share * 40]) for share in shares]
    return [Measured(Recipe(prompt="p", template=""), right, {"name": "p"}) for right in rights]


def test_always_giving_the_commonest_label_is_what_trials_are_held_against() -> None:
    truth = [[False, False]] * 20 + [[True, False]] * 20
    facts, compared = against_base_rate(_measured(0.9, 0.5, 0.2), _development(truth), 0.05, STATISTICS)
    assert (facts["label"], facts["accuracy"], facts["better"]) == ("none", 0.5, 1)
    low, high = facts["ci95"]
    assert 0.3 < low < 0.5 < high < 0.7
    better, level, worse = (one.result["p_base_rate"] for one in compared)
    assert better < 0.001
    assert level == worse == 1.0


@pytest.mark.parametrize(
    ("probabilities", "right"),
    [([0.9, 0.1], True), ([0.9, 0.5], True), ([0.9, 0.6], False), ([0.4, 0.1], False)],
)
def test_a_clip_is_right_if_all_its_classes_are(probabilities: list[float], right: bool) -> None:
    reading = Interpretation(np.array([probabilities]), np.array([True]))
    assert right_of(reading, np.array([[True, False]]), Kind.MULTI).tolist() == [right]


def test_a_clip_without_an_answer_is_wrong_even_if_no_class_holds() -> None:
    reading = Interpretation(np.array([[0.1, 0.1], [0.1, 0.1]]), np.array([True, False]))
    assert right_of(reading, np.zeros((2, 2), dtype=bool), Kind.MULTI).tolist() == [True, False]

import numpy as np
import pytest

from cu_pipeline.core.capability import Capability
from cu_pipeline.llm.lab.search import Found, candidates, halve
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.question_plan import Plan, plan
from cu_pipeline.llm.methods.recipe import Example, Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import FORMS, Task

TASK = Task("topic", Capability(classes=("cooking", "pets")), "", ("N/A",), 100)
CAPTIONS = [ClipInputs(f"caption {number}") for number in range(50)]
POOL = Pool(tuple(Example(text=f"example {number}", label=("cooking", "pets")[number % 2]) for number in range(20)))


def _search(recipes: list[Recipe], quality: dict[str, float], calls: int) -> tuple[Found, int]:
    """Search where recipes are right at known rates; give the outcome and how many questions were asked."""
    random, asked = np.random.default_rng(3), set()
    luck = random.random(len(CAPTIONS))

    def right(one: Plan, _: object) -> np.ndarray:
        return luck[: len(one.questions)] < quality[one.recipe.prompt]

    steps = halve(recipes, len(CAPTIONS), calls, lambda one, n: plan(one, TASK, CAPTIONS[:n], POOL), right)
    plans = next(steps)
    while True:
        asked |= {(one.recipe.prompt, question.prompt) for one in plans for question in one.questions}
        try:
            plans = steps.send({})
        except StopIteration as end:
            return end.value, len(asked)


def test_the_best_candidate_is_left_and_the_budget_is_kept() -> None:
    recipes = candidates("{{ text }}:", ("", "Sort."), POOL, 4, 16, seed=1)
    quality = {one.prompt: place / 20 for place, one in enumerate(recipes)}
    found, asked = _search(recipes, quality, 320)
    assert found.recipe.prompt == recipes[-1].prompt
    assert asked <= 320
    assert [turn.candidates for turn in found.rounds] == [16, 8, 4, 2]
    assert [turn.clips for turn in found.rounds] == [5, 10, 20, 40]


def test_candidates_are_distinct_combinations_and_repeatable() -> None:
    drawn = candidates("{{ text }}:", ("", "Sort."), POOL, 4, 1000, seed=1)
    assert len(drawn) == len({one.model_copy(update={"prompt": ""}).version for one in drawn}) == 2 * len(FORMS) * 5
    assert {one.method for one in drawn} == {"score_batch", "few_shot_batch"}
    assert candidates("{{ text }}:", ("", "Sort."), POOL, 4, 5, seed=1) == drawn[:5]


def test_without_labelled_captions_no_candidate_shows_examples() -> None:
    assert all(not one.examples for one in candidates("{{ text }}:", ("",), Pool(), 4, 9, seed=1))


def test_one_candidate_needs_no_questions() -> None:
    (only,) = candidates("{{ text }}:", ("",), POOL, 4, 1, seed=1)
    steps = halve([only], 10, 10, lambda *_: None, lambda *_: None)
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == Found(only, ())

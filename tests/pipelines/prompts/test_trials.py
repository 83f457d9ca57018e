import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.llm.clients.dispatch import client_kind
from cu_pipeline.llm.lab.development import Development, Labelled, PromptsOptions
from cu_pipeline.llm.lab.trials import Trial
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.recipes import Champion
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.recipe import Example, Recipe
from cu_pipeline.llm.prompts.prompt import ClipInputs
from cu_pipeline.llm.prompts.task import Task
from cu_pipeline.pipelines.prompts.nodes import plan_trials

POOL = Pool((Example(text="sale", label="a|b"), Example(text="a walk", label="none")), Kind.MULTI)
LLM = LlmOptions()
BEST = Recipe(prompt="best", template="{{ text }}:", method="score_batch", bias=(-1.0, -2.0, 0.0))


def _plan(classes: str, champion: Recipe | None = None, methods: tuple[str, ...] = ("choose", "score")) -> list[Trial]:
    capability = Capability(kind=Kind.MULTI, classes=tuple(classes))
    clips = Labelled((ClipInputs("x"),), np.zeros((1, len(classes)), dtype=bool))
    task = Task("safety", capability, "everyday life", ("N/A",), 100)
    development = Development(task, clips, clips, POOL, np.full(len(classes), 0.5), "none")
    identity = client_kind(LLM.client).identity(LLM.client)
    known = None if champion is None else Champion(champion, identity)
    options = PromptsOptions(capability="safety", prompts=("bare",), methods=methods)
    return plan_trials(development, {"bare": "{{ text }}"}, lambda _: known, [], options, LLM)


def test_the_grid_leaves_out_what_cannot_label_the_capability_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert [one.recipe.method for one in _plan("abcdef")] == ["score_content_free", "choose", "score"]
    assert not caplog.text
    assert [one.recipe.method for one in _plan("abcdefg")] == ["score_content_free", "score"]
    assert "safety: choose is left out: method 'choose' chooses from all combinations of classes: 128" in caplog.text


def test_the_champion_comes_first_unless_it_was_made_for_other_classes(caplog: pytest.LogCaptureFixture) -> None:
    assert _plan("ab", BEST)[0].recipe == BEST
    assert _plan("abc", BEST)[0].recipe.name == "bare × score_content_free"
    assert "safety: the champion is left out: best × score_batch was calibrated for 3 answers" in caplog.text


def test_a_prompt_that_asks_the_same_as_an_earlier_one_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    topic = Capability(classes=("a", "b"))
    prompts = {"bare": "{{ text }}:", "screen": "{{ text }}{% if screen_text %} {{ screen_text }}{% endif %}:"}
    options = PromptsOptions(prompts=("bare", "screen"), methods=("choose",))

    def names(clip: ClipInputs) -> list[str]:
        clips = Labelled((clip,), np.zeros((1, 2), dtype=bool))
        development = Development(Task("topic", topic, "", ("N/A",), 100), clips, clips, Pool(), np.full(2, 0.5), "a")
        return [one.recipe.name for one in plan_trials(development, prompts, lambda _: None, [], options, LLM)]

    assert names(ClipInputs("x")) == ["bare × score_content_free", "bare × choose"]
    assert "screen × choose is left out: it asks the same as bare × choose" in caplog.text
    assert names(ClipInputs("x", screen_text="y"))[-1] == "screen × choose"

import json
from pathlib import Path

import pytest

from cu_pipeline.llm.methods.recipe import Example, Recipe
from cu_pipeline.tracking import prompt_registry, registry

RECIPE = Recipe(
    prompt="bare",
    template='{% for one in examples %}{{ one.text }}{% endfor %}"{{ text }}"',
    method="few_shot_batch",
    examples=tuple(Example(text=f'caption {number} {{"x": 1}} ✂ {"long " * 60}', label="a") for number in range(30)),
    shots=30,
    bias=(-0.5, -1.0),
)


@pytest.mark.usefixtures("tracked_root")
def test_a_champion_comes_back_whole() -> None:
    assert prompt_registry.champion("topic") is None
    prompt_registry.promote("topic", RECIPE, "model@1", "best")
    champion = prompt_registry.champion("topic")
    assert champion is not None
    assert (champion.recipe, champion.client) == (RECIPE, "model@1")
    assert champion.recipe.version == RECIPE.version


@pytest.mark.usefixtures("tracked_root")
def test_a_prompt_is_registered_once_for_each_content() -> None:
    first = prompt_registry.register_template("mood", "bare", "{{ text }}")
    assert prompt_registry.register_template("mood", "bare", "{{ text }}") == first
    assert prompt_registry.register_template("mood", "bare", "{{ text }}!") != first
    assert prompt_registry.champion("mood") is None


def test_each_change_of_champion_is_in_the_ledger_once(tracked_root: Path) -> None:
    other = RECIPE.model_copy(update={"method": "few_shot"})
    for recipe, client in ((RECIPE, "a"), (RECIPE, "a"), (other, "a"), (other, "b"), (RECIPE, "a")):
        prompt_registry.promote("place", recipe, client, "why")
    lines = map(json.loads, (tracked_root / prompt_registry.LEDGER).read_text().splitlines())
    changes = [(line["from"], line["to"]) for line in lines if line["capability"] == "place"]
    assert changes == [(None, "1"), ("1", "2"), ("2", "3"), ("3", "1")]


@pytest.mark.usefixtures("tracked_root")
def test_prompts_are_no_models_to_deliver() -> None:
    prompt_registry.promote("served", RECIPE, "model@1", "best")
    assert registry.registered_models() == {}


@pytest.mark.usefixtures("tracked_root")
def test_any_name_of_a_capability_will_do() -> None:
    for name in ("is it safe?", "is it safe!", "wie schön", "a/b", "..", "名前", "名後", "x" * 300):
        prompt_registry.promote(name, RECIPE.model_copy(update={"prompt": name}), "model@1", "best")
    assert prompt_registry.champion("is it safe?").recipe.prompt == "is it safe?"
    assert prompt_registry.champion("is it safe!").recipe.prompt == "is it safe!"
    assert prompt_registry.champion("名後").recipe.prompt == "名後"


@pytest.mark.usefixtures("tracked_root")
def test_a_prompt_that_an_earlier_version_named_is_found_and_kept() -> None:
    earlier = "cu-pipeline.label.what-is-it--"
    name = "what is it?"
    earlier += prompt_registry.text_sha256(name)[:6]
    tags = {"recipe": RECIPE.model_dump_json(), "client": "model@1", "sha256": "x"}
    client = prompt_registry._client()
    client.register_prompt(earlier, RECIPE.template, tags=tags)
    client.set_prompt_alias(earlier, prompt_registry.CHAMPION, 1)
    assert prompt_registry.champion(name).recipe == RECIPE
    prompt_registry.promote(name, RECIPE.model_copy(update={"prompt": "other"}), "model@1", "better")
    assert prompt_registry.champion(name).recipe.prompt == "other"
    assert client.get_prompt(prompt_registry.prompt_name(name)) is None

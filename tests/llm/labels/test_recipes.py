import numpy as np
import pytest

from cu_pipeline.core.capability import Capability, Kind
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.dispatch import client_kind
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.labels.recipes import (
    Background,
    Champion,
    labelled_capabilities,
    may_show_examples,
    resolve_recipes,
    task_of,
)
from cu_pipeline.llm.methods.few_shot import Pool
from cu_pipeline.llm.methods.recipe import Example, Recipe

CAPABILITIES = {
    "topic": Capability(classes=("cooking", "pets")),
    "safety": Capability(kind=Kind.MULTI, classes=("advert",)),
}
PROMPTS = {"bare": "{{ text }}:", "long": "Say it. {{ text }}:"}
POOL = Pool(tuple(Example(text=f"{label} {number}", label=label) for label in ("cooking", "pets") for number in "12"))
BEST = Recipe(prompt="long", template="Best: {{ text }}", method="nearest_batch", shots=4, bias=(-0.1, -2.0))


def _resolve(champion: Champion | None = None, pool: Pool = POOL, **given: object) -> dict[str, Recipe]:
    options = LlmOptions.model_validate(given)
    labelled = labelled_capabilities(CAPABILITIES, options)
    known = {name: Background(task_of(name, one, options), np.array([]), pool) for name, one in labelled.items()}
    return resolve_recipes(known, PROMPTS, lambda _: champion, options)


def _identity() -> str:
    options = LlmOptions()
    return client_kind(options.client).identity(options.client)


def test_without_a_lab_run_the_prompt_is_the_configured_one() -> None:
    (topic,) = _resolve(Champion(BEST, _identity())).values()
    assert (topic.prompt, topic.method, topic.template) == ("bare", "score_content_free", "{{ text }}:")


def test_the_champion_comes_with_its_method_for_both_kinds_of_capability() -> None:
    found = _resolve(Champion(BEST, _identity()), prompt="champion", kinds=["single", "multi"])
    assert found == {"topic": BEST, "safety": BEST}


def test_where_there_is_no_champion_yet_the_bare_prompt_is_used(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert _resolve(prompt="champion")["topic"].prompt == "bare"
    assert "topic: the prompt lab has named no champion yet" in caplog.text


def test_a_champion_of_another_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"was found with the model gpt-9, but label\.llm\.client is smollm2"):
        _resolve(Champion(BEST, "gpt-9"), prompt="champion")


def test_an_unknown_prompt_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"prompt 'bear' is unknown\. Allowed: bare, long"):
        _resolve(prompt="bear")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="method 'guess' is unknown"):
        _resolve(method="guess")


def test_fixed_examples_are_part_of_the_recipe() -> None:
    topic = _resolve(method="few_shot_batch", shots=2)["topic"]
    assert sorted(one.label for one in topic.examples) == ["cooking", "pets"]
    assert topic.version != _resolve(method="few_shot_batch", shots=4)["topic"].version


def test_nothing_is_labelled_when_switched_off() -> None:
    assert _resolve(enabled=False) == {}


@pytest.mark.parametrize(
    ("options", "shown"),
    [({}, False), ({"method": "few_shot"}, True), ({"method": "nearest"}, True), ({"prompt": "champion"}, True)],
)
def test_labelled_captions_are_only_wanted_where_a_prompt_could_show_them(
    options: dict[str, object], shown: bool
) -> None:
    assert may_show_examples(LlmOptions.model_validate(options)) is shown

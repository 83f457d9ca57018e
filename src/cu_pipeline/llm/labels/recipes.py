"""Which prompt and method label each capability."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.labeling.options import LlmOptions
from cu_pipeline.llm.clients.dispatch import client_kind
from cu_pipeline.llm.methods.few_shot import Pool, fixed_examples
from cu_pipeline.llm.methods.plan import Task
from cu_pipeline.llm.methods.recipe import Recipe, method_named, prompt_named

CHAMPION: Final = "champion"
"""Value of `label.llm.prompt` that means: what the prompt lab found best."""

FALLBACK: Final = "bare"
"""The prompt where there is no champion."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Champion:
    """The best recipe that was found for a capability.

    Attributes:
        recipe: how captions are labelled.
        client: identity of the model with which it was found.
    """

    recipe: Recipe
    client: str


ChampionOf = Callable[[str], Champion | None]
"""Gives what the prompt lab found best for a capability."""


def task_of(name: str, capability: Capability, options: LlmOptions) -> Task:
    """Give what a language model is asked about a capability."""
    return Task(
        name, capability, options.contrast, options.content_free, options.max_characters, options.hide_class_names
    )


def recipe_with(prompt: str, template: str, method: str, pool: Pool, shots: int, form: str = "plain") -> Recipe:
    """Put a recipe together, with the examples that its method shows.

    Args:
        prompt: the template's name.
        template: the prompt.
        method: a key of `methods.METHODS`.
        pool: where fixed examples are drawn from.
        shots: number of examples.
        form: a key of `forms.FORMS`.
    """
    recipe = Recipe(prompt=prompt, template=template, method=method, form=form)
    if recipe.how.examples == "none":
        return recipe
    examples = fixed_examples(pool, shots) if recipe.how.examples == "fixed" else ()
    return recipe.model_copy(update={"examples": examples, "shots": shots})


def with_pictures(recipe: Recipe, options: LlmOptions) -> Recipe:
    """Let a recipe show as many frames as wished, if its method shows any."""
    shown = options.pictures.count if recipe.how.answer != "score" else 0
    return recipe.model_copy(update={"pictures": shown})


def resolve_recipes(
    capabilities: Mapping[str, Capability],
    prompts: Mapping[str, str],
    champion_of: ChampionOf,
    pool_of: Callable[[str], Pool],
    options: LlmOptions,
) -> dict[str, Recipe]:
    """Decide with which prompt and method each capability is labelled.

    Args:
        capabilities: the active ones.
        prompts: templates by name.
        champion_of: gives what the prompt lab found best for a capability.
        pool_of: gives a capability's labelled training captions.
        options: what is wished.

    Raises:
        ConfigurationError: no prompt has the name wished, or the champion was found with another model.
    """
    return {
        name: _champion(name, prompts, champion_of, pool_of, options)
        if options.prompt == CHAMPION
        else _configured(name, prompts, pool_of, options)
        for name, capability in capabilities.items()
        if options.enabled and capability.kind in options.kinds
    }


def _champion(
    name: str,
    prompts: Mapping[str, str],
    champion_of: ChampionOf,
    pool_of: Callable[[str], Pool],
    options: LlmOptions,
) -> Recipe:
    champion, identity = champion_of(name), client_kind(options.client).identity(options.client)
    if champion is None:
        _log.info("%s: the prompt lab has named no champion yet; labelled with the prompt %s", name, FALLBACK)
        return _configured(name, prompts, pool_of, options)
    if champion.client != identity:
        raise ConfigurationError(
            f"{name}: the champion prompt ({champion.recipe.name}) was found with the model {champion.client}, but "
            f"label.llm.client is {identity}. Run `kedro run --pipelines=prompts` with this model, or name a prompt: "
            f"label.llm.prompt={FALLBACK}"
        )
    return champion.recipe


def _configured(name: str, prompts: Mapping[str, str], pool_of: Callable[[str], Pool], options: LlmOptions) -> Recipe:
    prompt = FALLBACK if options.prompt == CHAMPION else options.prompt
    template = prompt_named(prompts, prompt)
    pool = pool_of(name) if method_named(options.method).examples != "none" else Pool()
    return with_pictures(recipe_with(prompt, template, options.method, pool, options.shots), options)

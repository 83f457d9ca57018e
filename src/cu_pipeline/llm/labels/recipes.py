"""Which prompt and method label each capability."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cu_pipeline.core.capability import Capability
from cu_pipeline.core.errors import ConfigurationError
from cu_pipeline.llm.clients.dispatch import LanguageModel
from cu_pipeline.llm.labels.options import LlmOptions
from cu_pipeline.llm.methods.few_shot import Pool, fixed_examples
from cu_pipeline.llm.methods.recipe import Recipe, method_named, prompt_named
from cu_pipeline.llm.prompts.task import Task

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
"""Looks up what the prompt lab found best for a capability."""


def task_of(name: str, capability: Capability, options: LlmOptions) -> Task:
    """Put together what a language model is asked about a capability."""
    return Task(
        name, capability, options.contrast, options.content_free, options.max_characters, options.hide_class_names
    )


def recipe_with(prompt: str, template: str, method: str, pool: Pool, shots: int, form: str = "plain") -> Recipe:
    """Put a recipe together, with the examples that its method shows.

    Args:
        prompt: the template's name.
        template: the prompt.
        method: a key of `METHODS`.
        pool: where fixed examples are drawn from.
        shots: number of examples.
        form: a key of `task.FORMS`.
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


@dataclass(frozen=True)
class Background:
    """What people's labels tell a language model about a capability.

    Attributes:
        task: what is asked.
        priors: (classes,) how common each class is.
        pool: labelled training captions; empty where no prompt could show any.
    """

    task: Task
    priors: NDArray[np.float64]
    pool: Pool = field(default_factory=Pool)


def labelled_capabilities(capabilities: Mapping[str, Capability], options: LlmOptions) -> dict[str, Capability]:
    """Choose the capabilities that the language model labels."""
    return {name: one for name, one in capabilities.items() if options.enabled and one.kind in options.kinds}


def may_show_examples(options: LlmOptions) -> bool:
    """Say whether prompts could show labelled captions.

    Raises:
        ConfigurationError: there is no such method.
    """
    return method_named(options.method).examples != "none" or options.prompt == CHAMPION


def resolve_recipes(
    backgrounds: Mapping[str, Background], prompts: Mapping[str, str], champion_of: ChampionOf, options: LlmOptions
) -> dict[str, Recipe]:
    """Decide with which prompt and method each capability is labelled.

    Args:
        backgrounds: of the capabilities that are labelled.
        prompts: templates by name.
        champion_of: looks up what the prompt lab found best for a capability.
        options: what is wished.

    Raises:
        ConfigurationError: no prompt has the name wished, or the champion was found with another model.
    """
    champion = options.prompt == CHAMPION
    return {
        name: _champion(name, prompts, champion_of, one.pool, options)
        if champion
        else _configured(prompts, one.pool, options)
        for name, one in backgrounds.items()
    }


def _champion(
    name: str,
    prompts: Mapping[str, str],
    champion_of: ChampionOf,
    pool: Pool,
    options: LlmOptions,
) -> Recipe:
    champion, identity = champion_of(name), LanguageModel.of(options.client).identity
    if champion is None:
        _log.info("%s: the prompt lab has named no champion yet; labelled with the prompt %s", name, FALLBACK)
        return _configured(prompts, pool, options)
    if champion.client != identity:
        raise ConfigurationError(
            f"{name}: the champion prompt ({champion.recipe.name}) was found with the model {champion.client}, but "
            f"label.llm.client is {identity}. Run `kedro run --pipelines=prompts` with this model, or name a prompt: "
            f"label.llm.prompt={FALLBACK}"
        )
    return champion.recipe


def _configured(prompts: Mapping[str, str], pool: Pool, options: LlmOptions) -> Recipe:
    prompt = FALLBACK if options.prompt == CHAMPION else options.prompt
    template = prompt_named(prompts, prompt)
    method_named(options.method)  # refuses an unknown one in words
    return with_pictures(recipe_with(prompt, template, options.method, pool, options.shots), options)

"""What the prompts of the lab want to be told of clips."""

from collections.abc import Mapping

from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.llm.lab.options import PromptsOptions
from cu_pipeline.llm.labels.recipes import ChampionOf
from cu_pipeline.llm.methods.recipe import prompt_named
from cu_pipeline.llm.prompts.prompt import Prompt


def wanted_inputs(
    prompts: Mapping[str, str], champion_of: ChampionOf, options: PromptsOptions, label: LabelOptions
) -> frozenset[str]:
    """Give all that any prompt of the lab names of a clip: of the grid, of the search, and of what labels now.

    Raises:
        ConfigurationError: a prompt is unknown.
    """
    templates = [prompt_named(prompts, name) for name in options.prompts]
    if options.search.enabled:
        templates += [prompt_named(prompts, options.search.prompt), *options.search.instructions]
    if label.llm.prompt in prompts:
        templates.append(prompts[label.llm.prompt])
    if champion := champion_of(options.capability):
        templates.append(champion.recipe.template)
    return frozenset().union(*(Prompt(one).inputs for one in templates))

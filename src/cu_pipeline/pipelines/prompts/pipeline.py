from kedro.pipeline import Node, Pipeline

from cu_pipeline.llm.lab.trials import required_inputs
from cu_pipeline.pipelines.prompts.nodes import (
    ask_for_search,
    ask_trials,
    choose_labelled_clips,
    choose_prompt,
    find_prompt,
    measure_trials,
    plan_trials,
    prepare_development,
    read_labelled_screens,
    register_prompts,
)
from cu_pipeline.reports.prompts_page import prompts_page


def create_pipeline(**_: object) -> Pipeline:
    """People's labels to the prompt and method that label best."""
    lab, llm, client = "params:prompts", "params:label.llm", "params:label.llm.client"
    return Pipeline(
        [
            Node(
                choose_labelled_clips,
                ["clips", "annotations", "capabilities_resolved", lab, "params:label.people", "params:label.guarantee"],
                "labelled_clips",
                name="choose_labelled_clips",
            ),
            Node(
                required_inputs,
                ["labelled_clips", "prompts", "champion_prompts", lab, llm],
                "required_inputs",
                name="find_required_inputs",
            ),
            Node(
                read_labelled_screens,
                ["labelled_clips", "required_inputs", "labelled_screen_cache", llm, "params:compute"],
                "labelled_screens",
                name="read_labelled_screens",
            ),
            Node(
                prepare_development,
                [
                    "labelled_clips",
                    "required_inputs",
                    "labelled_screens",
                    "features",
                    llm,
                    "params:featurize.extractors",
                ],
                "prompt_development",
                name="prepare_development",
            ),
            Node(
                ask_for_search,
                ["prompt_development", "prompts", "prompt_call_cache", lab, llm, "params:seed"],
                "prompt_search_calls",
                name="ask_for_search",
            ),
            Node(
                find_prompt,
                ["prompt_development", "prompts", "prompt_search_calls", lab, llm, "params:seed"],
                "found_prompts",
                name="find_prompt",
            ),
            Node(
                plan_trials,
                ["prompt_development", "prompts", "champion_prompts", "found_prompts", lab, llm],
                "prompt_trials",
                name="plan_trials",
            ),
            Node(ask_trials, ["prompt_trials", "prompt_search_calls", client], "prompt_calls", name="ask_trials"),
            Node(
                measure_trials,
                ["prompt_trials", "prompt_development", "prompt_calls", lab, client, "params:seed"],
                "measured_prompts",
                name="measure_trials",
            ),
            Node(
                choose_prompt,
                ["measured_prompts", "prompt_development", "found_prompts", lab, client, "params:seed"],
                ["chosen_prompt", "prompt_results"],
                name="choose_prompt",
            ),
            Node(prompts_page, ["prompt_results"], "prompts_report", name="render_prompts_page"),
            Node(
                register_prompts,
                ["chosen_prompt", "prompt_results", "prompts_report", "prompts"],
                "registered_prompts",
                name="register_prompts",
            ),
        ]
    )

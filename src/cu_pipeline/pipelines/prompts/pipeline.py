from kedro.pipeline import Node, Pipeline

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
    render_prompts_page,
)


def create_pipeline(**_: object) -> Pipeline:
    """People's labels to the prompt and method that label best."""
    lab, label = "params:prompts", "params:label"
    return Pipeline(
        [
            Node(
                choose_labelled_clips,
                ["clips", "annotations", "capabilities_resolved", lab, label],
                "labelled_clips",
                name="choose_labelled_clips",
            ),
            Node(
                read_labelled_screens,
                [
                    "labelled_clips",
                    "prompts",
                    "champion_prompts",
                    "labelled_screen_cache",
                    lab,
                    label,
                    "params:workers",
                ],
                "labelled_screens",
                name="read_labelled_screens",
            ),
            Node(
                prepare_development,
                [
                    "labelled_clips",
                    "clips",
                    "annotations",
                    "capabilities_resolved",
                    "prompts",
                    "champion_prompts",
                    "labelled_screens",
                    "features",
                    lab,
                    label,
                    "params:featurize.extractors",
                ],
                "prompt_development",
                name="prepare_development",
            ),
            Node(
                ask_for_search,
                ["prompt_development", "prompts", "prompt_call_cache", lab, label, "params:seed"],
                "prompt_search_calls",
                name="ask_for_search",
            ),
            Node(
                find_prompt,
                ["prompt_development", "prompts", "prompt_search_calls", lab, label, "params:seed"],
                "found_prompts",
                name="find_prompt",
            ),
            Node(
                plan_trials,
                ["prompt_development", "prompts", "champion_prompts", "found_prompts", lab, label],
                "prompt_trials",
                name="plan_trials",
            ),
            Node(
                ask_trials,
                ["prompt_trials", "prompt_search_calls", label],
                "prompt_calls",
                name="ask_trials",
            ),
            Node(
                measure_trials,
                ["prompt_trials", "prompt_development", "prompt_calls", lab, label, "params:seed"],
                "measured_prompts",
                name="measure_trials",
            ),
            Node(
                choose_prompt,
                ["measured_prompts", "prompt_development", "found_prompts", lab, label, "params:seed"],
                ["chosen_prompt", "prompt_results"],
                name="choose_prompt",
            ),
            Node(render_prompts_page, ["prompt_results"], "prompts_report", name="render_prompts_page"),
            Node(
                register_prompts,
                ["chosen_prompt", "prompt_results", "prompts_report", "prompts"],
                "registered_prompts",
                name="register_prompts",
            ),
        ]
    )

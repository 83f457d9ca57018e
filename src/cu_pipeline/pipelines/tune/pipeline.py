from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.tune.nodes import (
    choose_parameters,
    gather_tuning_data,
    measure_anew,
    plan_tuning,
    prepare_study,
    search_parameters,
    track_tuning,
)


def create_pipeline(**_: object) -> Pipeline:
    """Labels and features to better parameters of a model family."""
    return Pipeline(
        [
            Node(plan_tuning, ["params:tune", "params:train", "stated_parameters"], "tuning_plan", name="plan_tuning"),
            Node(
                gather_tuning_data,
                ["clips", "labels", "capabilities_resolved", "tuning_plan"],
                "tuning_data",
                name="gather_tuning_data",
            ),
            Node(
                prepare_study,
                ["tuning_data", "tuning_plan", "features", "params:featurize.extractors", "params:seed"],
                "prepared_study",
                name="prepare_study",
            ),
            Node(
                search_parameters,
                ["tuning_plan", "prepared_study", "tuning_studies", "params:compute"],
                "tuning_trials",
                name="search_parameters",
            ),
            Node(
                measure_anew,
                ["tuning_plan", "prepared_study", "tuning_trials", "tuning_studies", "params:compute"],
                "tuning_comparison",
                name="measure_anew",
            ),
            Node(
                choose_parameters,
                ["tuning_plan", "prepared_study", "tuning_trials", "tuning_comparison"],
                ["tuned_parameters", "tuning_results"],
                name="choose_parameters",
            ),
            Node(track_tuning, "tuning_results", None, name="track_tuning"),
        ]
    )

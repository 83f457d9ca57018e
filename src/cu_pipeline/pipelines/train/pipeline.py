from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.train.nodes import gather_training_data, train_models


def create_pipeline(**_: object) -> Pipeline:
    """Labels and features to bundles."""
    return Pipeline(
        [
            Node(
                gather_training_data,
                ["clips", "labels", "capabilities_resolved"],
                "training_data",
                name="gather_training_data",
            ),
            Node(
                train_models,
                [
                    "training_data",
                    "features",
                    "bundle_cache",
                    "fit_checkpoints",
                    "params:train",
                    "params:featurize.extractors",
                    "params:compute",
                    "params:seed",
                ],
                ["bundles", "training_history", "model_selection"],
                name="train_models",
            ),
        ]
    )

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.train.nodes import train_heads


def create_pipeline(**_: object) -> Pipeline:
    """Labels and features to bundles."""
    return Pipeline(
        [
            Node(
                train_heads,
                [
                    "clips",
                    "labels",
                    "capabilities_resolved",
                    "features",
                    "bundle_cache",
                    "params:train",
                    "params:featurize.extractors",
                    "params:seed",
                ],
                ["bundles", "training_history"],
                name="train_heads",
            )
        ]
    )

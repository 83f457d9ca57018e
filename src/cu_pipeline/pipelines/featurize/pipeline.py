from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.featurize.nodes import extract_features


def create_pipeline(**_: object) -> Pipeline:
    """Clips to stored features."""
    return Pipeline(
        [
            Node(
                extract_features,
                ["clips", "feature_cache", "served_inputs", "params:featurize", "params:compute"],
                "features",
                name="extract_features",
            )
        ]
    )

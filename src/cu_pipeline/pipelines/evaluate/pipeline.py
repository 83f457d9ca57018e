from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.evaluate.nodes import (
    describe_reference,
    gate_challengers,
    measure_models,
    predict_clips,
)


def create_pipeline(**_: object) -> Pipeline:
    """Bundles to predictions, metrics and the gate's decisions."""
    return Pipeline(
        [
            Node(
                predict_clips,
                ["clips", "bundles", "features", "params:featurize.extractors"],
                "predictions",
                name="predict_clips",
            ),
            Node(
                describe_reference,
                ["clips", "predictions", "features", "params:featurize.extractors"],
                "reference",
                name="describe_reference",
            ),
            Node(
                measure_models,
                [
                    "clips",
                    "labels",
                    "predictions",
                    "bundles",
                    "features",
                    "params:featurize.extractors",
                    "params:evaluate",
                    "params:seed",
                ],
                "metrics",
                name="measure_models",
            ),
            Node(
                gate_challengers,
                [
                    "clips",
                    "labels",
                    "bundles",
                    "champion_bundles",
                    "features",
                    "params:featurize.extractors",
                    "params:evaluate",
                ],
                "gate",
                name="gate_challengers",
            ),
        ]
    )

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.evaluate import nodes


def create_pipeline(**_: object) -> Pipeline:
    """Bundles to predictions, metrics and the gate's decisions."""
    return Pipeline(
        [
            Node(
                nodes.predict_clips,
                ["clips", "bundles", "features", "capabilities_resolved"],
                "predictions",
                name="predict_clips",
            ),
            Node(nodes.join_truth, ["clips", "labels", "bundles"], "judged_clips", name="join_truth"),
            Node(
                nodes.describe_reference,
                ["clips", "predictions", "bundles", "champion_bundles", "features"],
                "reference",
                name="describe_reference",
            ),
            Node(
                nodes.measure_models,
                ["judged_clips", "predictions", "bundles", "features", "params:evaluate", "params:seed"],
                "metrics",
                name="measure_models",
            ),
            Node(
                nodes.gate_challengers,
                ["judged_clips", "bundles", "champion_bundles", "features", "params:evaluate"],
                "gate",
                name="gate_challengers",
            ),
        ]
    )

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.deliver.nodes import (
    build_bentos,
    check_service,
    register_bundles,
    report_delivery,
    select_champions,
)


def create_pipeline(**_: object) -> Pipeline:
    """Trained bundles and the gate's decisions to a checked service."""
    return Pipeline(
        [
            Node(register_bundles, ["bundles", "gate"], "registered_bundles", name="register_bundles"),
            Node(select_champions, ["registered_bundles", "bundles"], "champions", name="select_champions"),
            Node(build_bentos, ["champions", "params:deliver"], "bentos", name="build_bento"),
            Node(
                check_service,
                ["bentos", "champions", "clips", "predictions", "params:deliver"],
                "service_checks",
                name="check_service",
            ),
            Node(
                report_delivery,
                ["bentos", "champions", "service_checks", "params:deliver"],
                "delivery",
                name="report_delivery",
            ),
        ]
    )

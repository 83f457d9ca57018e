from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.deliver.nodes import (
    build_bentos,
    check_service,
    record_promotions,
    register_challengers,
    report_delivery,
    select_champions,
    without_traces,
)
from cu_pipeline.pipelines.deliver.shown import choose_samples, quality_of_served


def create_pipeline(**_: object) -> Pipeline:
    """Trained bundles and the gate's decisions to a checked service."""
    return Pipeline(
        [
            Node(register_challengers, "bundles", "registered_bundles", name="register_challengers"),
            Node(
                record_promotions,
                ["registered_bundles", "bundles", "gate", "served_champions", "earlier_promotions"],
                "promotions",
                name="record_promotions",
            ),
            Node(
                select_champions,
                ["promotions", "bundles", "served_champions", "capabilities_resolved"],
                "champions",
                name="select_champions",
            ),
            Node(without_traces, "champions", "packed_champions", name="without_traces"),
            Node(choose_samples, ["clips", "predictions"], "page_samples", name="choose_samples"),
            Node(
                quality_of_served,
                ["champions", "metrics", "earlier_served_quality"],
                "served_quality",
                name="quality_of_served",
            ),
            Node(
                build_bentos,
                ["packed_champions", "page_samples", "served_quality", "params:deliver"],
                "bentos",
                name="build_bento",
            ),
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

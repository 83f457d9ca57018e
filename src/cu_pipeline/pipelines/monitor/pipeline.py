from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.monitor import causes
from cu_pipeline.pipelines.monitor.nodes import compare_with_reference, read_traffic, render_drift_page


def create_pipeline(**_: object) -> Pipeline:
    """The service's prediction log to a decision on drift and a page that shows it."""
    return Pipeline(
        [
            *_causes(),
            Node(read_traffic, ["prediction_log", "delivery", "params:monitor"], "traffic", name="read_traffic"),
            Node(
                compare_with_reference,
                [
                    "reference",
                    "traffic",
                    "delivery",
                    "capabilities_resolved",
                    "params:monitor",
                    "params:seed",
                ],
                "drift",
                name="compare_with_reference",
            ),
            Node(
                render_drift_page,
                ["reference", "traffic", "drift", "capabilities_resolved", "params:monitor", "earlier_drift_report"],
                "drift_report",
                name="render_drift_page",
            ),
        ]
    )


def _causes() -> list[Node]:
    return [Node(causes.read_references, "champions", "references", name="read_references")]

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.monitor import nodes


def create_pipeline(**_: object) -> Pipeline:
    """The service's prediction log to a decision on drift and a page that shows it."""
    return Pipeline([*_comparison(), *_showing()])


def _comparison() -> list[Node]:
    return [
        Node(nodes.read_traffic, ["prediction_log", "delivery", "params:monitor"], "traffic", name="read_traffic"),
        Node(nodes.take_references, ["reference", "delivery"], "references", name="take_references"),
        Node(
            nodes.compare_with_references,
            [
                "references",
                "traffic",
                "delivery",
                "capabilities_resolved",
                "params:monitor",
                "params:seed",
                "earlier_drift_looks",
            ],
            ["comparison", "drift_looks"],
            name="compare_with_references",
        ),
        Node(
            nodes.report_drift,
            ["references", "traffic", "comparison", "params:monitor"],
            "drift",
            name="report_drift",
        ),
    ]


def _showing() -> list[Node]:
    return [
        Node(
            nodes.render_drift_page,
            ["references", "traffic", "drift", "capabilities_resolved", "params:monitor", "earlier_drift_report"],
            "drift_report",
            name="render_drift_page",
        )
    ]

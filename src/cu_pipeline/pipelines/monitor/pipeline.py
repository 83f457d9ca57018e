from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.monitor import causes, nodes, showing

_HISTORY = "params:monitor.history"


def create_pipeline(**_: object) -> Pipeline:
    """The service's prediction log to a decision on drift and a page that shows it."""
    return Pipeline([*_causes(), *_comparison(), *_showing()])


def _causes() -> list[Node]:
    return [Node(causes.read_references, "champions", "references", name="read_references")]


def _comparison() -> list[Node]:
    return [
        Node(nodes.read_traffic, ["prediction_log", "delivery", "params:monitor"], "traffic", name="read_traffic"),
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
            showing.find_drift_columns,
            ["drift", "references", "traffic", "capabilities_resolved"],
            "drift_columns",
            name="find_drift_columns",
        ),
        Node(
            showing.picture_causes,
            ["drift", "references", "clips", "drift_captures", "drift_thumbnails", _HISTORY, "params:workers"],
            "drift_pictures",
            name="picture_causes",
        ),
        Node(
            showing.remember_look,
            ["drift", "label_summary", "earlier_drift_history", _HISTORY],
            "drift_history",
            name="remember_look",
        ),
        Node(
            showing.show_drift,
            [
                "drift",
                "drift_columns",
                "drift_pictures",
                "drift_history",
                "earlier_drift_report",
                "earlier_drift_workspace",
            ],
            ["drift_report", "drift_workspace"],
            name="show_drift",
        ),
    ]

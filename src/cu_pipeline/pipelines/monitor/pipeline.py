from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.monitor import causes, nodes, showing

_HISTORY = "params:monitor.history"


def create_pipeline(**_: object) -> Pipeline:
    """The service's prediction log to a decision on drift, its causes, and a page that shows it."""
    return Pipeline([*_comparison(), *_causes(), *_showing()])


def _comparison() -> list[Node]:
    return [
        Node(
            nodes.read_traffic,
            ["prediction_log", "delivery", "params:monitor", "earlier_drift_looks"],
            "traffic",
            name="read_traffic",
        ),
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
            [
                "references",
                "traffic",
                "comparison",
                "params:monitor",
                "drift_causes",
                "served_quality_estimate",
                "drift_notices",
            ],
            "drift",
            name="report_drift",
        ),
    ]


def _causes() -> list[Node]:
    return [
        Node(causes.read_references, "champions", "references", name="read_references"),
        Node(
            causes.gather_notices,
            ["prediction_log", "delivery", "traffic", "champions"],
            "drift_notices",
            name="gather_notices",
        ),
        Node(
            causes.diagnose_drift,
            ["comparison", "references", "traffic", "params:monitor.diagnosis"],
            "drift_causes",
            name="diagnose_drift",
        ),
        Node(
            causes.gather_audits,
            ["prediction_log", "traffic", "clips", "annotations", "params:monitor.quality"],
            "quality_audits",
            name="gather_audits",
        ),
        Node(
            causes.estimate_served_quality,
            [
                "comparison",
                "references",
                "traffic",
                "drift_causes",
                "quality_audits",
                "capabilities_resolved",
                "params:monitor.quality",
            ],
            "served_quality_estimate",
            name="estimate_served_quality",
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
            ["drift", "references", "clips", "drift_captures", "thumbnails", _HISTORY, "params:compute"],
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

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.report.nodes import (
    describe_data,
    gather_data,
    gather_label_evidence,
    gather_models,
    render_data_card,
    render_report,
)


def create_pipeline(**_: object) -> Pipeline:
    """All results to one page."""
    return Pipeline(
        [
            Node(
                describe_data,
                [
                    "clips",
                    "rejects",
                    "duplicates",
                    "leakage",
                    "data_checks",
                    "labels",
                    "agreement",
                    "capabilities_resolved",
                    "params:seed",
                ],
                "data_card",
                name="describe_data",
            ),
            Node(
                render_data_card,
                ["data_card", "clips", "duplicates", "thumbnails", "params:report", "params:workers"],
                "data_card_page",
                name="render_data_card",
            ),
            Node(
                gather_data,
                ["clips", "data_card", "annotations", "rejects", "labels"],
                "report_data",
                name="gather_data",
            ),
            Node(
                gather_label_evidence,
                ["guarantee", "label_errors", "label_summary", "label_queue"],
                "report_label_evidence",
                name="gather_label_evidence",
            ),
            Node(
                gather_models,
                ["capabilities_resolved", "predictions", "metrics", "gate"],
                "report_models",
                name="gather_models",
            ),
            Node(
                render_report,
                [
                    "report_data",
                    "report_label_evidence",
                    "report_models",
                    "delivery",
                    "drift",
                    "thumbnails",
                    "params:report",
                    "params:workers",
                ],
                "report",
                name="render_report",
            ),
        ]
    )

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.report.nodes import gather_data, gather_models, render_report


def create_pipeline(**_: object) -> Pipeline:
    """All results to one page."""
    return Pipeline(
        [
            Node(gather_data, ["clips", "annotations", "rejects", "labels"], "report_data", name="gather_data"),
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

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.report.nodes import draw_pictures, render_data_card, write_model_cards
from cu_pipeline.reports.data_card import data_card, describe_clips, describe_labels
from cu_pipeline.reports.data_page import data_section
from cu_pipeline.reports.labels_section import labels_section, with_evidence, with_scopes
from cu_pipeline.reports.model_card import describe_data, measured_models
from cu_pipeline.reports.models_section import models_section
from cu_pipeline.reports.page import render_page


def create_pipeline(**_: object) -> Pipeline:
    """All results to one page."""
    return Pipeline(
        [
            Node(describe_clips, ["clips", "rejects", "duplicates", "leakage"], "about_clips", name="describe_clips"),
            Node(
                describe_labels,
                ["clips", "labels", "capabilities_resolved", "params:seed"],
                "about_labels",
                name="describe_labels",
            ),
            Node(
                data_card,
                ["about_clips", "about_labels", "data_checks", "agreement", "capabilities_resolved"],
                "data_card",
                name="describe_data",
            ),
            Node(
                render_data_card,
                ["data_card", "clips", "duplicates", "thumbnails", "params:report", "params:compute"],
                "data_card_page",
                name="render_data_card",
            ),
            Node(data_section, ["data_card", "clips", "rejects", "params:report"], "data_section", name="show_data"),
            Node(
                labels_section,
                ["clips", "annotations", "labels", "capabilities_resolved"],
                "label_counts",
                name="show_labels",
            ),
            Node(
                with_scopes,
                ["label_counts", "scopes"],
                "scoped_label_counts",
                name="show_scopes",
            ),
            Node(
                with_evidence,
                ["scoped_label_counts", "clips", "guarantee", "label_errors", "label_summary", "label_queue"],
                "labels_section",
                name="show_label_evidence",
            ),
            Node(
                models_section,
                ["metrics", "gate", "insights", "clips", "params:report"],
                "models_section",
                name="show_models",
            ),
            Node(
                describe_data,
                ["current_snapshot", "data_card", "labels", "guarantee", "capabilities_resolved"],
                "model_data",
                name="describe_model_data",
            ),
            Node(
                measured_models,
                ["bundles", "champions", "metrics", "gate", "insights"],
                "measured_models",
                name="find_measured_models",
            ),
            Node(write_model_cards, ["measured_models", "model_data"], "model_cards", name="write_model_cards"),
            Node(
                draw_pictures,
                ["data_section", "labels_section", "models_section", "thumbnails", "params:report", "params:compute"],
                "illustrated_sections",
                name="draw_pictures",
            ),
            Node(
                render_page,
                ["illustrated_sections", "delivery", "drift", "params:report"],
                "report",
                name="render_report",
            ),
        ]
    )

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.evaluate import insights, nodes

OPTIONS = ["params:evaluate", "params:seed"]


def create_pipeline(**_: object) -> Pipeline:
    """Bundles to the gate's decisions, and to predictions and numbers of what serves from then on."""
    return Pipeline([*_decisions(), *_predictions(), *_measurements(), *_insights()])


def _decisions() -> list[Node]:
    return [
        Node(
            nodes.find_champions,
            ["served_champions", "bundles", "earlier_promotions", "capabilities_resolved"],
            ["champion_bundles", "taken_back"],
            name="find_champions",
        ),
        Node(nodes.join_truth, ["clips", "labels", "annotations", "bundles"], "judged_clips", name="join_truth"),
        Node(
            nodes.ask_models,
            ["judged_clips", "bundles", "champion_bundles", "features", "label_requests"],
            "contests",
            name="ask_models",
        ),
        Node(
            nodes.answer_by_baselines,
            ["judged_clips", "bundles", "features", "capabilities_resolved", "params:seed"],
            "baseline_answers",
            name="answer_by_baselines",
        ),
        Node(
            nodes.gate_challengers,
            ["contests", "baseline_answers", "taken_back", "earlier_gate_tests", "params:evaluate"],
            ["gate_tests", "gate"],
            name="gate_challengers",
        ),
        Node(
            nodes.choose_shown,
            ["clips", "bundles", "champion_bundles", "gate", "features", "capabilities_resolved"],
            "shown_bundles",
            name="choose_shown",
        ),
    ]


def _predictions() -> list[Node]:
    return [
        Node(
            nodes.predict_clips,
            ["clips", "shown_bundles", "features", "capabilities_resolved"],
            "predictions",
            name="predict_clips",
        ),
        Node(
            nodes.predict_by_challengers,
            ["clips", "bundles", "shown_bundles", "features", "capabilities_resolved"],
            "challenger_predictions",
            name="predict_by_challengers",
        ),
    ]


def _measurements() -> list[Node]:
    return [
        Node(
            nodes.hold_against_truth,
            ["judged_clips", "predictions", "shown_bundles"],
            "shown_answers",
            name="hold_shown_against_truth",
        ),
        Node(
            nodes.hold_against_truth,
            ["judged_clips", "challenger_predictions", "bundles"],
            "challenger_answers",
            name="hold_challengers_against_truth",
        ),
        Node(nodes.measure_models, ["shown_answers", *OPTIONS], "shown_metrics", name="measure_models"),
        Node(nodes.measure_models, ["challenger_answers", *OPTIONS], "challenger_metrics", name="measure_challengers"),
        Node(
            nodes.measure_baselines,
            ["baseline_answers", "judged_clips", "shown_answers", "challenger_answers", *OPTIONS],
            "baseline_metrics",
            name="measure_baselines",
        ),
        Node(
            nodes.compare_challengers,
            ["shown_answers", "challenger_answers"],
            "challenger_comparisons",
            name="compare_challengers",
        ),
        Node(
            nodes.gather_metrics,
            ["shown_metrics", "challenger_metrics", "challenger_comparisons", "baseline_metrics", "gate", "bundles"],
            "metrics",
            name="gather_metrics",
        ),
    ]


def _insights() -> list[Node]:
    return [
        Node(
            insights.hide_modalities,
            ["shown_answers", "shown_bundles", "features"],
            "modality_parts",
            name="hide_modalities",
        ),
        Node(
            insights.gather_curve_clips,
            ["clips", "labels", "shown_answers", "shown_bundles"],
            "curve_clips",
            name="gather_curve_clips",
        ),
        Node(
            insights.measure_learning_curves,
            ["curve_clips", "shown_bundles", "features", "earlier_insights", *OPTIONS],
            "learning_curves",
            name="measure_learning_curves",
        ),
        Node(
            insights.gather_insights,
            ["shown_answers", "modality_parts", "learning_curves", "params:evaluate"],
            "insights",
            name="gather_insights",
        ),
    ]

from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.label.nodes import (
    aggregate_labels,
    annotate_with_llm,
    ask_llm,
    measure_agreement,
    plan_llm_questions,
    resolve_capabilities,
)


def create_pipeline(**_: object) -> Pipeline:
    """Annotations to labels, with the language model where people said nothing."""
    return Pipeline(
        [
            Node(
                resolve_capabilities,
                ["annotations", "params:capabilities"],
                "capabilities_resolved",
                name="resolve_capabilities",
            ),
            Node(
                plan_llm_questions,
                ["clips", "annotations", "capabilities_resolved", "label_prompt", "params:label"],
                "llm_questions",
                name="plan_llm_questions",
            ),
            Node(ask_llm, ["llm_questions", "llm_call_cache", "params:label"], "llm_calls", name="ask_llm"),
            Node(
                annotate_with_llm,
                ["llm_questions", "llm_calls", "clips", "annotations", "capabilities_resolved", "params:label"],
                "llm_annotations",
                name="annotate_with_llm",
            ),
            Node(
                aggregate_labels,
                ["clips", "annotations", "llm_annotations", "capabilities_resolved", "params:label"],
                "labels",
                name="aggregate_labels",
            ),
            Node(
                measure_agreement,
                ["clips", "annotations", "capabilities_resolved", "params:label", "params:seed"],
                "agreement",
                name="measure_agreement",
            ),
        ]
    )

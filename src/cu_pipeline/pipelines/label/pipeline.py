from kedro.pipeline import Node, Pipeline

from cu_pipeline.labeling.resolve import resolve_capabilities
from cu_pipeline.llm.labels.questions import annotate
from cu_pipeline.llm.labels.recipes import resolve_recipes
from cu_pipeline.pipelines.label import nodes, people_nodes

_PEOPLE, _LLM, _GUARANTEE = "params:label.people", "params:label.llm", "params:label.guarantee"
_CAPABILITIES = "capabilities_resolved"


def create_pipeline(**_: object) -> Pipeline:
    """What people, rules, models and a language model say of clips, to labels with a price and a guarantee."""
    return Pipeline([*_annotations(), *_sources(), *_language_model(), *_labels(), *_people()])


def _annotations() -> list[Node]:
    return [
        Node(
            people_nodes.keep_people_work,
            None,
            ["people_batches", "people_annotations", "label_requests"],
            name="keep_people_work",
        ),
        Node(
            people_nodes.merge_annotations,
            ["feed_annotations", "clips", "people_batches", "people_annotations"],
            "people_opinions",
            name="merge_annotations",
        ),
        Node(
            nodes.apply_scopes,
            ["people_opinions", "clips", "params:capabilities"],
            ["annotations", "annotations_apart", "applicability", "scopes"],
            name="apply_scopes",
        ),
        Node(
            people_nodes.check_data,
            ["feed_checks", "clips", "annotations", "params:capabilities"],
            "data_checks",
            name="check_data",
        ),
    ]


def _sources() -> list[Node]:
    """Whoever speaks before the language model; `opinions` is handed on from one to the next."""
    return [
        Node(
            resolve_capabilities,
            ["annotations", "params:capabilities", "applicability"],
            _CAPABILITIES,
            name="resolve_capabilities",
        ),
        Node(
            nodes.choose_calibration,
            ["clips", "annotations", "people_annotations", _CAPABILITIES, _GUARANTEE, _PEOPLE],
            ["calibration_clips", "opinions_of_people"],
            name="choose_calibration",
        ),
        Node(
            nodes.annotate_with_rules,
            [
                "opinions_of_people",
                "label_rules",
                "params:label.rules",
                "label_requests",
                _PEOPLE,
                "params:label.along_least_right",
            ],
            ["rule_annotations", "opinions_with_rules"],
            name="annotate_with_rules",
        ),
        Node(
            nodes.annotate_with_champions,
            ["opinions_with_rules", "served_champions", "features", "params:label.champion"],
            ["champion_annotations", "opinions_with_champions"],
            name="annotate_with_champions",
        ),
        Node(
            nodes.annotate_with_zero_shot,
            ["opinions_with_champions", "features", "params:label.zero_shot", "params:featurize.extractors"],
            ["zero_shot_annotations", "opinions_with_zero_shot"],
            name="annotate_with_zero_shot",
        ),
    ]


def _language_model() -> list[Node]:
    return [
        Node(
            nodes.gather_llm_background,
            ["clips", "annotations", "calibration_clips", _CAPABILITIES, _PEOPLE, _LLM],
            "llm_background",
            name="gather_llm_background",
        ),
        Node(
            resolve_recipes,
            ["llm_background", "prompts", "champion_prompts", _LLM],
            "label_recipes",
            name="resolve_recipes",
        ),
        Node(
            nodes.choose_llm_clips,
            ["clips", "annotations", "calibration_clips", _CAPABILITIES, "label_recipes", "label_requests", _LLM],
            ["llm_clips", "llm_ineligible"],
            name="choose_llm_clips",
        ),
        Node(
            nodes.read_screen_texts,
            ["llm_clips", "screen_text_cache", "earlier_screen_texts", _LLM, "params:compute"],
            "screen_texts",
            name="read_screen_texts",
        ),
        Node(
            nodes.plan_llm_questions,
            ["llm_clips", "llm_background", "screen_texts", "features", _LLM, "params:featurize.extractors"],
            "all_llm_questions",
            name="plan_llm_questions",
        ),
        Node(
            nodes.spare_llm_questions,
            [
                "all_llm_questions",
                "llm_call_cache",
                "opinions_with_zero_shot",
                "llm_ineligible",
                "earlier_calibration_tests",
                _LLM,
            ],
            ["llm_questions", "opinions_before_llm"],
            name="spare_llm_questions",
        ),
        Node(nodes.ask_llm, ["llm_questions", "llm_call_cache", "params:compute"], "llm_calls", name="ask_llm"),
        Node(annotate, ["llm_questions", "llm_calls", "llm_background"], "llm_annotations", name="annotate_with_llm"),
    ]


def _labels() -> list[Node]:
    return [
        Node(
            nodes.certify_labels,
            ["opinions_before_llm", "llm_annotations", "llm_questions", "llm_calls", "earlier_calibration_tests", _LLM],
            ["opinions", "calibration_tests", "guarantee"],
            name="certify_labels",
        ),
        Node(nodes.aggregate_labels, ["opinions", "guarantee", _PEOPLE], "labels", name="aggregate_labels"),
        Node(
            nodes.write_ledger,
            ["opinions", "annotations_apart", "people_batches", "people_annotations", "llm_payments", "earlier_ledger"],
            ["ledger", "money"],
            name="write_ledger",
        ),
        Node(
            nodes.summarise_labels,
            ["opinions", "labels", "money", "guarantee", _PEOPLE],
            "label_summary",
            name="summarise_labels",
        ),
    ]


def _people() -> list[Node]:
    """What people are asked next, and how good their answers are."""
    return [
        Node(
            people_nodes.queue_clips,
            [
                "opinions",
                "duplicates",
                "labels",
                "people_batches",
                "people_annotations",
                "guarantee",
                "label_requests",
                "features",
                "params:label.queue",
                "params:featurize.extractors",
            ],
            "label_queue",
            name="queue_clips",
        ),
        Node(
            people_nodes.measure_agreement,
            ["clips", "annotations", _CAPABILITIES, _PEOPLE, "params:seed"],
            "agreement",
            name="measure_agreement",
        ),
        Node(
            people_nodes.find_label_errors,
            ["clips", "annotations", _CAPABILITIES, _PEOPLE, "params:label.errors", "params:seed"],
            "label_errors",
            name="find_label_errors",
        ),
    ]

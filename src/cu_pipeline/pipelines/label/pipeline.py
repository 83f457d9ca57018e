from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.label import nodes, questions


def create_pipeline(**_: object) -> Pipeline:
    """What people, rules, models and a language model say of clips, to labels with a price and a guarantee."""
    return Pipeline([*_sources(), *_language_model(), *_labels(), *_people()])


def _sources() -> list[Node]:
    """Whoever speaks before the language model; `opinions` is handed on from one to the next."""
    return [
        Node(
            nodes.resolve_capabilities,
            ["annotations", "params:capabilities"],
            "capabilities_resolved",
            name="resolve_capabilities",
        ),
        Node(
            nodes.choose_calibration,
            [
                "clips",
                "annotations",
                "people_annotations",
                "capabilities_resolved",
                "params:label.guarantee",
                "params:label.people",
            ],
            ["calibration_clips", "opinions_of_people"],
            name="choose_calibration",
        ),
        Node(
            nodes.annotate_with_rules,
            ["opinions_of_people", "label_rules", "params:label.rules"],
            ["rule_annotations", "opinions_with_rules"],
            name="annotate_with_rules",
        ),
        Node(
            nodes.annotate_with_champions,
            ["opinions_with_rules", "served_champions", "features", "params:label.champion"],
            ["champion_annotations", "opinions_with_champions"],
            name="annotate_with_champions",
        ),
    ]


def _language_model() -> list[Node]:
    return [
        Node(
            questions.resolve_recipes,
            [
                "clips",
                "annotations",
                "calibration_clips",
                "capabilities_resolved",
                "prompts",
                "champion_prompts",
                "params:label",
            ],
            "label_recipes",
            name="resolve_recipes",
        ),
        Node(
            questions.choose_llm_clips,
            ["clips", "annotations", "calibration_clips", "label_recipes", "params:label"],
            ["llm_clips", "llm_ineligible"],
            name="choose_llm_clips",
        ),
        Node(
            questions.read_screen_texts,
            ["llm_clips", "label_recipes", "screen_text_cache", "params:label", "params:workers"],
            "screen_texts",
            name="read_screen_texts",
        ),
        Node(
            questions.plan_llm_questions,
            [
                "llm_clips",
                "clips",
                "annotations",
                "calibration_clips",
                "capabilities_resolved",
                "label_recipes",
                "screen_texts",
                "features",
                "params:label",
                "params:featurize.extractors",
            ],
            "all_llm_questions",
            name="plan_llm_questions",
        ),
        Node(
            nodes.spare_llm_questions,
            [
                "all_llm_questions",
                "llm_call_cache",
                "opinions_with_champions",
                "llm_ineligible",
                "earlier_calibration_tests",
                "params:label.llm",
            ],
            ["llm_questions", "opinions_before_llm"],
            name="spare_llm_questions",
        ),
        Node(questions.ask_llm, ["llm_questions", "llm_call_cache", "params:label"], "llm_calls", name="ask_llm"),
        Node(
            questions.annotate_with_llm,
            [
                "llm_questions",
                "llm_calls",
                "clips",
                "annotations",
                "calibration_clips",
                "capabilities_resolved",
                "params:label",
            ],
            "llm_annotations",
            name="annotate_with_llm",
        ),
    ]


def _labels() -> list[Node]:
    return [
        Node(
            nodes.certify_labels,
            [
                "opinions_before_llm",
                "llm_annotations",
                "llm_questions",
                "llm_calls",
                "earlier_calibration_tests",
                "params:label.llm",
            ],
            ["opinions", "calibration_tests", "guarantee"],
            name="certify_labels",
        ),
        Node(
            nodes.aggregate_labels,
            ["opinions", "guarantee", "params:label.people"],
            "labels",
            name="aggregate_labels",
        ),
        Node(
            nodes.write_ledger,
            ["opinions", "people_batches", "people_annotations", "earlier_ledger"],
            ["ledger", "unused_batches"],
            name="write_ledger",
        ),
        Node(
            nodes.summarise_labels,
            ["opinions", "labels", "ledger", "guarantee", "unused_batches", "params:label.people"],
            "label_summary",
            name="summarise_labels",
        ),
    ]


def _people() -> list[Node]:
    """What people are asked next, and how good their answers are."""
    return [
        Node(
            nodes.queue_clips,
            ["opinions", "duplicates", "labels", "people_batches", "people_annotations", "params:label.queue"],
            "label_queue",
            name="queue_clips",
        ),
        Node(
            nodes.measure_agreement,
            ["clips", "annotations", "capabilities_resolved", "params:label.people", "params:seed"],
            "agreement",
            name="measure_agreement",
        ),
        Node(
            nodes.find_label_errors,
            [
                "clips",
                "annotations",
                "capabilities_resolved",
                "params:label.people",
                "params:label.errors",
                "params:seed",
            ],
            "label_errors",
            name="find_label_errors",
        ),
    ]

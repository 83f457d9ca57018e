from kedro.pipeline import Node, Pipeline

from cu_pipeline.pipelines.label import annotations, nodes, questions


def create_pipeline(**_: object) -> Pipeline:
    """What people, rules, models and a language model say of clips, to labels with a price and a guarantee."""
    return Pipeline([*_annotations(), *_sources(), *_labels(), *_people(), *_evidence()])


def _annotations() -> list[Node]:
    return [
        Node(
            annotations.keep_people_work,
            None,
            ["people_batches", "people_annotations"],
            name="keep_people_work",
        ),
        Node(
            annotations.merge_annotations,
            ["feed_annotations", "clips", "people_batches", "people_annotations"],
            "annotations",
            name="merge_annotations",
        ),
        Node(
            annotations.check_data,
            ["feed_checks", "clips", "annotations", "params:capabilities"],
            "data_checks",
            name="check_data",
        ),
    ]


def _sources() -> list[Node]:
    return [
        Node(
            nodes.resolve_capabilities,
            ["annotations", "params:capabilities"],
            "capabilities_resolved",
            name="resolve_capabilities",
        ),
        Node(
            nodes.choose_calibration,
            ["clips", "annotations", "people_annotations", "capabilities_resolved", "params:label"],
            "calibration_clips",
            name="choose_calibration",
        ),
        Node(
            nodes.annotate_with_rules,
            ["clips", "capabilities_resolved", "label_rules", "params:label"],
            "rule_annotations",
            name="annotate_with_rules",
        ),
        Node(
            nodes.annotate_with_champions,
            ["clips", "capabilities_resolved", "served_champions", "features", "params:label"],
            ["champion_annotations", "champion_omissions"],
            name="annotate_with_champions",
        ),
        Node(
            questions.gather_llm_background,
            [
                "clips",
                "annotations",
                "calibration_clips",
                "capabilities_resolved",
                "params:label.people",
                "params:label.llm",
            ],
            "llm_background",
            name="gather_llm_background",
        ),
        Node(
            questions.resolve_recipes,
            ["llm_background", "prompts", "champion_prompts", "params:label.llm"],
            "label_recipes",
            name="resolve_recipes",
        ),
        Node(
            questions.choose_llm_clips,
            ["clips", "annotations", "calibration_clips", "label_recipes", "params:label.llm"],
            ["llm_clips", "llm_omissions"],
            name="choose_llm_clips",
        ),
        Node(nodes.gather_omissions, ["champion_omissions", "llm_omissions"], "omissions", name="gather_omissions"),
        Node(
            questions.read_screen_texts,
            ["llm_clips", "screen_text_cache", "earlier_screen_texts", "params:label.llm", "params:workers"],
            "screen_texts",
            name="read_screen_texts",
        ),
        Node(
            questions.plan_llm_questions,
            [
                "llm_clips",
                "llm_background",
                "screen_texts",
                "features",
                "params:label.llm",
                "params:featurize.extractors",
            ],
            "all_llm_questions",
            name="plan_llm_questions",
        ),
        Node(
            questions.spare_llm_questions,
            [
                "all_llm_questions",
                "llm_call_cache",
                "clips",
                "annotations",
                "rule_annotations",
                "champion_annotations",
                "omissions",
                "calibration_clips",
                "capabilities_resolved",
                "label_rules",
                "earlier_calibration_tests",
                "params:label",
            ],
            "llm_questions",
            name="spare_llm_questions",
        ),
        Node(questions.ask_llm, ["llm_questions", "llm_call_cache"], "llm_calls", name="ask_llm"),
        Node(
            questions.annotate_with_llm,
            ["llm_questions", "llm_calls", "llm_background"],
            "llm_annotations",
            name="annotate_with_llm",
        ),
    ]


def _labels() -> list[Node]:
    return [
        Node(
            nodes.gather_opinions,
            ["annotations", "rule_annotations", "champion_annotations", "llm_annotations", "params:label"],
            "opinions",
            name="gather_opinions",
        ),
        Node(
            nodes.certify_labels,
            [
                "clips",
                "opinions",
                "omissions",
                "calibration_clips",
                "llm_questions",
                "llm_calls",
                "capabilities_resolved",
                "label_rules",
                "earlier_calibration_tests",
                "params:label",
            ],
            ["calibration_tests", "guarantee"],
            name="certify_labels",
        ),
        Node(
            nodes.aggregate_labels,
            ["clips", "opinions", "omissions", "guarantee", "capabilities_resolved", "params:label"],
            "labels",
            name="aggregate_labels",
        ),
        Node(
            nodes.write_ledger,
            [
                "clips",
                "opinions",
                "llm_questions",
                "llm_calls",
                "people_batches",
                "people_annotations",
                "earlier_ledger",
                "params:label",
            ],
            "ledger",
            name="write_ledger",
        ),
    ]


def _people() -> list[Node]:
    return [
        Node(
            nodes.queue_clips,
            [
                "clips",
                "duplicates",
                "opinions",
                "labels",
                "capabilities_resolved",
                "people_batches",
                "people_annotations",
                "params:capabilities",
                "params:label",
            ],
            "label_queue",
            name="queue_clips",
        ),
    ]


def _evidence() -> list[Node]:
    return [
        Node(
            nodes.measure_agreement,
            ["clips", "annotations", "capabilities_resolved", "params:label", "params:seed"],
            "agreement",
            name="measure_agreement",
        ),
        Node(
            nodes.find_label_errors,
            ["clips", "annotations", "capabilities_resolved", "params:label", "params:seed"],
            "label_errors",
            name="find_label_errors",
        ),
        Node(
            nodes.summarise_labels,
            [
                "clips",
                "opinions",
                "labels",
                "ledger",
                "guarantee",
                "people_batches",
                "people_annotations",
                "capabilities_resolved",
                "params:label",
            ],
            "label_summary",
            name="summarise_labels",
        ),
    ]

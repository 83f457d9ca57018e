from typing import Final

from cu_pipeline.core.records import AnnotatorKind

SOURCES: Final[dict[str, str]] = {
    AnnotatorKind.HUMAN.value: "people",
    AnnotatorKind.RULE.value: "rules",
    AnnotatorKind.LLM.value: "the language model",
    AnnotatorKind.MODEL.value: "the served model",
}
"""What people call each kind of annotator."""


def source_name(kind: str) -> str:
    """Give what people call a kind of annotator, for a table or a figure.

    >>> source_name("llm")
    'language model'
    """
    return SOURCES[kind].removeprefix("the ")

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd

from cu_pipeline.core.capability import Capabilities
from cu_pipeline.core.resolved import active_capabilities
from cu_pipeline.labeling import resolve
from cu_pipeline.labeling.aggregate import aggregate
from cu_pipeline.labeling.annotators import annotator_tables, in_words
from cu_pipeline.labeling.bill import bill, priced
from cu_pipeline.labeling.inquiry import Inquiry, plan_inquiries
from cu_pipeline.labeling.llm import annotate
from cu_pipeline.labeling.options import LabelOptions
from cu_pipeline.prompting.answer import answer
from cu_pipeline.prompting.call_log import Call
from cu_pipeline.prompting.client import Answer
from cu_pipeline.prompting.prompt import Prompt

_log = logging.getLogger(__name__)


def resolve_capabilities(annotations: pd.DataFrame, capabilities: Capabilities) -> dict[str, Any]:
    """Decide which capabilities the feed can teach, and with which classes."""
    return resolve.resolve_capabilities(annotations, capabilities)


def plan_llm_questions(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: dict[str, Any],
    prompt: str,
    options: LabelOptions,
) -> list[Inquiry]:
    """Write the questions to the language model about clips that no person has labelled."""
    return plan_inquiries(clips, annotations, active_capabilities(resolved), Prompt(prompt), options.llm)


def ask_llm(inquiries: list[Inquiry], known: dict[str, Answer], options: LabelOptions) -> Iterator[list[Call]]:
    """Get the answers that are not stored yet, a few at a time."""
    yield []
    questions = [question for inquiry in inquiries for question in inquiry.questions]
    yield from answer(questions, known, options.llm.client)


def annotate_with_llm(
    inquiries: list[Inquiry],
    answers: dict[str, Answer],
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    resolved: dict[str, Any],
    options: LabelOptions,
) -> pd.DataFrame:
    """Turn the language model's answers into annotations."""
    return annotate(inquiries, answers, clips, annotations, active_capabilities(resolved), options.llm)


def aggregate_labels(
    clips: pd.DataFrame,
    annotations: pd.DataFrame,
    llm_annotations: pd.DataFrame,
    resolved: dict[str, Any],
    options: LabelOptions,
) -> pd.DataFrame:
    """Add all annotations up to labels and say what they cost."""
    capabilities = active_capabilities(resolved)
    everyone = priced(pd.concat([annotations, llm_annotations], ignore_index=True), options.people.price)
    labels = aggregate(clips, everyone, capabilities, options.people)
    for line in bill(labels, everyone, len(clips), capabilities):
        _log.info(line)
    return labels


def measure_agreement(
    clips: pd.DataFrame, annotations: pd.DataFrame, resolved: dict[str, Any], options: LabelOptions, seed: int
) -> dict[str, Any]:
    """Say how far people agree, how good each of them is, and whose answers are of no use."""
    tables = annotator_tables(clips, annotations, active_capabilities(resolved), options.people, seed)
    for line in in_words(tables):
        _log.info(line)
    return tables
